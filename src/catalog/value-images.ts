/** How the exact value of a column is told: its bytes, where "equal" is less than that (1.0 and 1.00, 0 and -0, json). */
import type { Session } from '../db/session.js';
import { qualified, sql, type QualifiedName } from '../sql/quote.js';

export interface ValueImage {
  readonly column: string;
  /**
   * `value`: equal values are the same bytes, and the type can be hashed. `send`: its binary form, by `sendFunction`.
   * `text`: its text, for what has no binary form.
   */
  readonly how: 'value' | 'send' | 'text';
  /** Qualified and quoted. */
  readonly sendFunction: string;
}

export async function readValueImages(session: Session, table: QualifiedName): Promise<ValueImage[]> {
  return await session.rows<ValueImage>({ text: valueImagesSql, values: [qualified(table)] });
}

/** Of pg_catalog; texts only in a deterministic collation. */
const exactTypes = [
  'bool',
  'bytea',
  'char',
  'name',
  'int2',
  'int4',
  'int8',
  'oid',
  'text',
  'varchar',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'uuid',
  'macaddr',
  'macaddr8',
  'inet',
  'cidr',
];

/** Domains are what they are made of. */
const valueImagesSql = sql`
  with recursive base (attnum, column_name, coll, oid) as (
    select a.attnum, a.attname::text, a.attcollation, a.atttypid
    from pg_attribute as a
    where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, b.column_name, b.coll, t.typbasetype
    from base as b
    join pg_type as t on t.oid = b.oid and t.typtype = 'd'
  )
  select
    b.column_name as column,
    case
      when t.typtype = 'e' then 'value'
      when t.typnamespace = 'pg_catalog'::regnamespace
        and t.typname in (${exactTypes.map((name) => `'${name}'`).join(', ')})
        and coalesce((select c.collisdeterministic from pg_collation as c where c.oid = b.coll), true)
        then 'value'
      when t.typtype in ('c', 'p') or t.typsend = 0 or t.oid = 'xml'::regtype then 'text'
      when t.typelem <> 0 and t.typlen = -1
        and exists (select from pg_type as e where e.oid = t.typelem and (e.typtype in ('c', 'd') or e.typsend = 0))
        then 'text'
      else 'send'
    end as how,
    (select quote_ident(n.nspname) || '.' || quote_ident(p.proname)
     from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
     where p.oid = t.typsend) as "sendFunction"
  from base as b
  join pg_type as t on t.oid = b.oid and t.typtype <> 'd'
  order by b.attnum`;
