/**
 * Functions and procedures whose SQL-standard body reads the table or a view over it. Not those with the table's row type in
 * their signature: they are bound to it and cannot be replaced.
 */
import type { Session } from '../../db/session.js';
import type { SqlFunction } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';
import { notOfExtension } from './pieces-sql.js';

export async function readFunctions(
  session: Session,
  tableOid: number,
  relations: readonly number[],
): Promise<SqlFunction[]> {
  return await session.rows<SqlFunction>(catalogQuery(functionsSql, [tableOid, relations]));
}

const functionsSql = `
  select
    p.oid,
    json_build_object('schema', n.nspname, 'name', p.proname) as name,
    case p.prokind when 'p' then 'procedure' else 'function' end as kind,
    p.oid::regprocedure::text as signature,
    pg_get_userbyid(p.proowner)::text as owner,
    rtrim(pg_get_functiondef(p.oid), E'; \\n') as definition
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where p.prosqlbody is not null
    and p.oid in (
      select d.objid
      from pg_depend as d
      where d.classid = 'pg_proc'::regclass
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = any ($2::oid[])
    )
    and not (
      array[p.prorettype] || p.proargtypes::oid[] || coalesce(p.proallargtypes, '{}')
        && array(
          select t.oid
          from pg_class as c
          join pg_type as rt on rt.oid = c.reltype
          join pg_type as t on t.oid in (rt.oid, rt.typarray)
          where c.oid = $1
        )
    )
    and ${notOfExtension('pg_proc', 'p.oid')}
  order by p.oid::regprocedure::text collate "C"`;
