/** The inventory of what the new table takes over, one line for each object or group. */
import type { TableShape } from '../catalog/types.js';
import { displayName } from '../sql/quote.js';
import type { ColumnMapping, PlannedDependent } from './types.js';

/**
 * @param source the table as it is
 * @param target the shape after the change, with only the sequences that are its own: a serial's is shared until the swap
 */
export function carriedObjects(
  source: TableShape,
  target: TableShape,
  columns: readonly ColumnMapping[],
): PlannedDependent[] {
  const kept = new Set(columns.filter((column) => column.target !== null).map((column) => column.source));
  const carried = (kind: string, name: string, why: string): PlannedDependent => ({
    kind,
    name,
    treatment: 'carried',
    why,
  });
  const { schema } = source.name;
  const grants = [
    ...target.grants,
    ...target.columns.flatMap((column) => column.grants),
    ...target.sequences.flatMap((sequence) => sequence.grants),
  ];
  const comments = [target, ...target.columns, ...target.constraints, ...target.indexes].filter(
    ({ comment }) => comment !== null,
  );
  return [
    ...target.indexes.map(({ name }) =>
      carried('index', displayName({ schema, name }), 'built on the new table under the same name'),
    ),
    ...target.constraints
      .filter(({ type, index }) => index === null && type !== 'foreign key')
      .map(({ name, type }) =>
        carried('constraint', name, `${type} constraint of ${displayName(source.name)}, on the new table`),
      ),
    ...source.sequences
      .filter(({ identity, column }) => !identity && kept.has(column))
      .map(({ name }) =>
        carried('sequence', displayName(name), 'the same sequence, owned by the new column after the swap'),
      ),
    ...target.sequences
      .filter(({ identity }) => identity)
      .map(({ name }) =>
        carried('sequence', displayName({ schema, name: name.name }), 'goes on where it stands at the swap'),
      ),
    ...(grants.length > 0
      ? [carried('grants', `${grants.length} privileges`, 'on the new table before the swap')]
      : []),
    ...(comments.length > 0 ? [carried('comments', `${comments.length} comments`, 'on the new table')] : []),
    ...(target.options.length > 0
      ? [carried('storage parameters', target.options.join(', '), 'on the new table')]
      : []),
    carried('owner', target.owner, 'owns the new table'),
  ];
}
