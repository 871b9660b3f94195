import type { TableShape } from '../../model/table-shape.js';

/**
 * The shape that the trial's clone had, as a table in another schema has it. The clone's schema has a random name, which
 * needs no quotes and occurs in no other sense.
 */
export function targetInSchema(target: TableShape, schema: string): TableShape {
  const json = JSON.stringify(target).replaceAll(target.name.schema, schema);
  return JSON.parse(json) as TableShape;
}
