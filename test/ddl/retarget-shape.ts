/** The same shape in another schema, so that tables in different schemas can be compared. */
import type { TableShape } from '../../src/model/table-shape.js';
import { retargetRelation } from '../../src/sql/retarget.js';

/** Everything that lives in the table's schema moves along; serial sequences do not belong to the clone, and stay. */
export function retargetShape(shape: TableShape, schema: string): TableShape {
  const name = { schema, name: shape.name.name };
  return {
    ...shape,
    name,
    indexes: shape.indexes.map((index) => ({
      ...index,
      definition: retargetRelation(index.definition, shape.name, name),
    })),
    sequences: shape.sequences.map((sequence) =>
      sequence.identity ? { ...sequence, name: { schema, name: sequence.name.name } } : sequence,
    ),
  };
}
