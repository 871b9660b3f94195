/** `SET SCHEMA` moves a table's indexes and sequences along, and fails where one of their names is taken. */
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import type { Refusal } from '../../errors.js';
import { displayName } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';

/** Names that come into the source's schema with the new table. */
export function arrivingNames(target: TableShape): string[] {
  const sequences = target.sequences.filter(({ name }) => name.schema === target.name.schema);
  return [...target.indexes.map(({ name }) => name), ...sequences.map(({ name }) => name.name)];
}

/** Those of the names that other relations have there. The source's own move away in the swap. */
export async function takenNames(
  session: Session,
  source: TableShape,
  names: readonly string[],
): Promise<QualifiedName[]> {
  const leaving = [
    source.oid,
    ...source.indexes.map(({ oid }) => oid),
    ...source.sequences.map(({ oid }) => oid),
  ];
  return await session.rows<QualifiedName>({
    text: `
      select n.nspname::text as schema, c.relname::text as name
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = $1
        and c.relname = any ($2::name[])
        and c.oid <> all ($3::oid[])
      order by c.relname`,
    values: [source.name.schema, names, leaving],
  });
}

export function checkNameCollisions(taken: readonly QualifiedName[]): Refusal[] {
  return taken.map((name) => ({
    code: 'name-taken',
    message: `the new table needs the name ${displayName(name)}, which another relation has`,
    hint: 'choose another name for the new index or sequence, or rename the other relation',
  }));
}
