/** Column defaults of other tables that hold this one, its row type, an index or an identity column's sequence as a constant. */
import { isMarkSql } from '../../sql/marks.js';
import type { Session } from '../../db/session.js';
import type { DefaultElsewhere } from '../../model/definitions.js';
import { nameJson } from './pieces-sql.js';

/**
 * Not those that only draw from a serial's sequence: it stays the same object, and so do they. Nor those that no statement of
 * ours makes: of views, of temporary tables of other sessions, and the expressions of generated columns.
 */
export async function readDefaultsElsewhere(session: Session, tableOid: number): Promise<DefaultElsewhere[]> {
  return await session.rows<DefaultElsewhere>({ text: defaultsElsewhereSql, values: [tableOid] });
}

/** What the swap replaces by something else of the same name; `table` is the SQL of an OID. */
export const replacedPartsSql = (table: string): string => `
  select 'pg_class'::regclass::oid as classid, ${table}::oid as objid
  union all
  select 'pg_type'::regclass, pt.oid
  from pg_class as pc
  join pg_type as rt on rt.oid = pc.reltype
  join pg_type as pt on pt.oid in (rt.oid, rt.typarray)
  where pc.oid = ${table}
  union all
  select 'pg_class'::regclass, pi.indexrelid from pg_index as pi where pi.indrelid = ${table}
  union all
  select 'pg_class'::regclass, ps.oid
  from pg_depend as po
  join pg_class as ps on ps.oid = po.objid and ps.relkind = 'S'
  where po.classid = 'pg_class'::regclass
    and po.refclassid = 'pg_class'::regclass
    and po.refobjid = ${table}
    and po.deptype = 'i'`;

const defaultsElsewhereSql = `
  select
    x.oid,
    a.attname::text as name,
    x.adrelid as "tableOid",
    ${nameJson('n', 'c')} as table,
    pg_get_expr(x.adbin, x.adrelid) as expression
  from pg_attrdef as x
  join pg_attribute as a on a.attrelid = x.adrelid and a.attnum = x.adnum
  join pg_class as c on c.oid = x.adrelid
  join pg_namespace as n on n.oid = c.relnamespace
  where x.oid in (
      select d.objid
      from (${replacedPartsSql('$1')}) as part
      join pg_depend as d on d.refclassid = part.classid and d.refobjid = part.objid
      where d.classid = 'pg_attrdef'::regclass
    )
    and x.adrelid <> $1
    and a.attgenerated = ''
    and c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and not ${isMarkSql(`obj_description(n.oid, 'pg_namespace')`)}
  order by n.nspname collate "C", c.relname collate "C", a.attnum`;
