/** Extended statistics of a table. */
import type { Session } from '../db/session.js';
import type { ExtendedStatistics } from '../model/table-shape.js';
import { catalogQuery } from './catalog-query.js';

/** Run under `withDeparseSettings`. */
export async function readStatistics(session: Session, oid: number): Promise<ExtendedStatistics[]> {
  return await session.rows<ExtendedStatistics>(catalogQuery(statisticsSql, [oid]));
}

const statisticsSql = `
  select
    s.oid,
    json_build_object('schema', n.nspname, 'name', s.stxname) as name,
    pg_get_statisticsobjdef(s.oid) as definition,
    pg_get_userbyid(s.stxowner)::text as owner,
    nullif(s.stxstattarget, -1)::int as target,
    obj_description(s.oid, 'pg_statistic_ext') as comment
  from pg_statistic_ext as s
  join pg_namespace as n on n.oid = s.stxnamespace
  where s.stxrelid = $1
  order by n.nspname collate "C", s.stxname collate "C"`;
