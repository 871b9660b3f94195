/** Rules other than those that make a view. */
import type { Session } from '../../db/session.js';
import type { Rule } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';
import { firingStateSql, nameJson, notOfExtension } from './pieces-sql.js';

/** Of these tables and views. */
export async function readRules(session: Session, relations: readonly number[]): Promise<Rule[]> {
  return await session.rows<Rule>(catalogQuery(rulesSql('r.ev_class = any ($1::oid[])'), [relations]));
}

/** Of other relations, and using this table. */
export async function readRulesElsewhere(
  session: Session,
  tableOid: number,
  except: readonly number[],
): Promise<Rule[]> {
  const uses = `
    r.ev_class <> all ($2::oid[])
    and exists (
      select from pg_depend as d
      where d.classid = 'pg_rewrite'::regclass
        and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = $1
    )`;
  return await session.rows<Rule>(catalogQuery(rulesSql(uses), [tableOid, [tableOid, ...except]]));
}

const rulesSql = (condition: string): string => `
  select
    r.oid,
    r.rulename::text as name,
    r.ev_class as "tableOid",
    ${nameJson('n', 'c')} as table,
    rtrim(pg_get_ruledef(r.oid), E'; \\n') as definition,
    ${firingStateSql('r.ev_enabled')} as enabled,
    obj_description(r.oid, 'pg_rewrite') as comment
  from pg_rewrite as r
  join pg_class as c on c.oid = r.ev_class
  join pg_namespace as n on n.oid = c.relnamespace
  where r.rulename <> '_RETURN'
    and ${condition}
    and ${notOfExtension('pg_rewrite', 'r.oid')}
  order by n.nspname collate "C", c.relname collate "C", r.rulename collate "C"`;
