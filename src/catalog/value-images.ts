/** How the exact value of a column is told: its bytes, where "equal" is less than that (1.0 and 1.00, 0 and -0, json). */
import type { Session } from '../db/session.js';
import { qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export interface ValueImage {
  readonly column: string;
  /**
   * `value`: equal values are the same bytes, and the type can be hashed. `send`: its binary form, by `sendFunction`.
   * `text`: its text, for what has no binary form.
   */
  readonly how: 'value' | 'send' | 'text';
  /** May be hundreds of megabytes: a row of several of these is more than a datum can be, so that each is hashed by itself. */
  readonly large: boolean;
  /** `text` or `varchar`, or a domain over one. */
  readonly isText: boolean;
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

/** Varying in length, and yet never so long that several of them in one row are a danger. */
const shortTypes = ['numeric', 'inet', 'cidr'];
/** Of `varchar(n)` and the like, in characters. */
const shortLength = 4000;

/**
 * Domains are what they are made of; what else a type is made of (elements, the type of a range's bounds) decides whether its
 * send function can do its work: that of an array calls that of the element.
 */
const valueImagesSql = sql`
  with recursive base (attnum, column_name, coll, typmod, oid) as (
    select a.attnum, a.attname::text, a.attcollation, a.atttypmod, a.atttypid
    from pg_attribute as a
    where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, b.column_name, b.coll, greatest(b.typmod, t.typtypmod), t.typbasetype
    from base as b
    join pg_type as t on t.oid = b.oid and t.typtype = 'd'
  ), made_of (attnum, oid) as (
    select attnum, oid from base
    union
    select m.attnum, part.oid
    from made_of as m
    join pg_type as t on t.oid = m.oid
    cross join lateral (
      select t.typbasetype
      where t.typtype = 'd'
      union all
      select t.typelem
      where t.typelem <> 0 and t.typlen = -1
      union all
      select r.rngsubtype from pg_range as r where r.rngtypid = t.oid
      union all
      select r.rngtypid from pg_range as r where r.rngmultitypid = t.oid
      union all
      select a.atttypid
      from pg_attribute as a
      where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as part (oid)
  )
  select
    b.column_name as column,
    case
      when t.typtype = 'e' then 'value'
      when t.typnamespace = 'pg_catalog'::regnamespace
        and t.typname in (${exactTypes.map((name) => `'${name}'`).join(', ')})
        and coalesce((select c.collisdeterministic from pg_collation as c where c.oid = b.coll), true)
        then 'value'
      when exists (
        select
        from made_of as m
        join pg_type as p on p.oid = m.oid
        where m.attnum = b.attnum
          and (p.typtype in ('c', 'p') or p.typsend = 0 or p.oid = 'xml'::regtype)
      ) then 'text'
      else 'send'
    end as how,
    t.typlen = -1
      and t.typname not in (${shortTypes.map((name) => `'${name}'`).join(', ')})
      and (b.typmod < 0 or b.typmod > ${shortLength}) as large,
    t.oid in ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype) as "isText",
    (select quote_ident(n.nspname) || '.' || quote_ident(p.proname)
     from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
     where p.oid = t.typsend) as "sendFunction"
  from base as b
  join pg_type as t on t.oid = b.oid and t.typtype <> 'd'
  order by b.attnum`;
