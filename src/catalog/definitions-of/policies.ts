/** Row security: the table's flags and policies, and other tables' policies that read it. */
import type { Session } from '../../db/session.js';
import type { Policy, RowSecurity } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';
import { nameJson } from './pieces-sql.js';

export async function readRowSecurity(session: Session, tableOid: number): Promise<RowSecurity> {
  return await session.row<RowSecurity>(
    catalogQuery(
      `select relrowsecurity as enabled, relforcerowsecurity as forced from pg_class where oid = $1`,
      [tableOid],
    ),
  );
}

export async function readPolicies(session: Session, tableOid: number): Promise<Policy[]> {
  return await session.rows<Policy>(catalogQuery(policiesSql('p.polrelid = $1'), [tableOid]));
}

export async function readPoliciesElsewhere(session: Session, tableOid: number): Promise<Policy[]> {
  const reads = `
    p.polrelid <> $1
    and exists (
      select from pg_depend as d
      where d.classid = 'pg_policy'::regclass
        and d.objid = p.oid
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = $1
    )`;
  return await session.rows<Policy>(catalogQuery(policiesSql(reads), [tableOid]));
}

const policiesSql = (condition: string): string => `
  select
    p.oid,
    p.polname::text as name,
    p.polrelid as "tableOid",
    ${nameJson('n', 'c')} as table,
    p.polpermissive as permissive,
    case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
      as command,
    (
      select json_agg(case when r <> 0 then pg_get_userbyid(r) end order by pg_get_userbyid(r) collate "C")
      from unnest(p.polroles) as r
    ) as roles,
    pg_get_expr(p.polqual, p.polrelid) as using,
    pg_get_expr(p.polwithcheck, p.polrelid) as check,
    obj_description(p.oid, 'pg_policy') as comment
  from pg_policy as p
  join pg_class as c on c.oid = p.polrelid
  join pg_namespace as n on n.oid = c.relnamespace
  where ${condition}
  order by n.nspname collate "C", c.relname collate "C", p.polname collate "C"`;
