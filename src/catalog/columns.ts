/** The columns of a table. */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { grantsJsonSql } from './acl-sql.js';
import type { Column } from '../model/table-shape.js';

/** Run under `withDeparseSettings`. */
export async function readColumns(session: Session, oid: number): Promise<Column[]> {
  return await session.rows<Column>(catalogQuery(columnsSql, [oid]));
}

// Some builds keep keys of their own in attoptions: only the two that ALTER COLUMN ... SET knows are a user's.
const columnsSql = `
  select
    a.attnum,
    a.attname::text as name,
    format_type(a.atttypid, a.atttypmod) as type,
    a.atttypid as "typeOid",
    a.atttypmod as typmod,
    case when a.attcollation <> 0 and a.attcollation <> t.typcollation
      then quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
    end as collation,
    a.attnotnull as "notNull",
    pg_get_expr(d.adbin, d.adrelid) as default,
    case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' else 'none' end as generated,
    case a.attidentity when 'a' then 'always' when 'd' then 'by default' else 'none' end as identity,
    case a.attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'm' then 'MAIN' else 'EXTENDED' end
      as storage,
    case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression,
    nullif(a.attstattarget, -1) as "statisticsTarget",
    array(
      select o from unnest(a.attoptions) as o
      where split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited')
      order by 1
    ) as options,
    ${grantsJsonSql('a.attacl', 'c', 'c.relowner')} as grants,
    col_description(c.oid, a.attnum) as comment
  from pg_attribute as a
  join pg_class as c on c.oid = a.attrelid
  join pg_type as t on t.oid = a.atttypid
  left join pg_collation as co on co.oid = a.attcollation
  left join pg_namespace as cn on cn.oid = co.collnamespace
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = $1
    and a.attnum > 0
    and not a.attisdropped
  order by a.attnum`;
