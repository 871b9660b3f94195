/** How far the ids are that a column's own sequence gives. */
import type { Session } from '../db/session.js';
import type { QualifiedName } from '../model/name.js';

/** What the sequence gave last, as text: bigint. null where nothing was drawn yet, or it is not for this role to see. */
export async function lastDrawn(session: Session, sequence: QualifiedName): Promise<string | null> {
  const { last } = await session.row<{ last: string | null }>({
    text: 'select (select last_value::text from pg_sequences where schemaname = $1 and sequencename = $2) as last',
    values: [sequence.schema, sequence.name],
  });
  return last;
}

/** The same, of the sequence that belongs to a column of the table with this OID. */
export async function lastDrawnFor(session: Session, oid: number, column: string): Promise<string | null> {
  const { last } = await session.row<{ last: string | null }>({
    text: `select (
      select s.last_value::text
      from pg_class as t
      join pg_namespace as n on n.oid = t.relnamespace
      join pg_attribute as a on a.attrelid = t.oid and a.attname = $2 and not a.attisdropped
      join pg_sequences as s
        on format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence(format('%I.%I', n.nspname, t.relname), $2)
      where t.oid = $1::oid
    ) as last`,
    values: [oid, column],
  });
  return last;
}
