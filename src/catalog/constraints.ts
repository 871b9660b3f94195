/** The constraints of a table. */
import type { Session } from '../db/session.js';
import type { Constraint } from '../model/table-shape.js';
import { catalogQuery } from './catalog-query.js';

/** Run under `withDeparseSettings`. In order of creation. */
export async function readConstraints(session: Session, oid: number): Promise<Constraint[]> {
  return await session.rows<Constraint>(catalogQuery(constraintsSql, [oid]));
}

// conenforced exists from 18 on; a row as JSON has what the server has.
const constraintsSql = `
  select
    con.oid,
    con.conname::text as name,
    case con.contype
      when 'c' then 'check'
      when 'n' then 'not null'
      when 'p' then 'primary key'
      when 'u' then 'unique'
      when 'x' then 'exclusion'
      when 'f' then 'foreign key'
      else 'trigger'
    end as type,
    case con.contype when 't' then '' else pg_get_constraintdef(con.oid) end as definition,
    array(
      select a.attname::text
      from unnest(con.conkey) with ordinality as k (attnum, position)
      join pg_attribute as a on a.attrelid = con.conrelid and a.attnum = k.attnum
      order by k.position
    ) as columns,
    con.convalidated as validated,
    coalesce((to_json(con) ->> 'conenforced')::boolean, true) as enforced,
    con.condeferrable as deferrable,
    con.condeferred as "initiallyDeferred",
    i.relname::text as index,
    obj_description(con.oid, 'pg_constraint') as comment
  from pg_constraint as con
  left join pg_class as i on i.oid = con.conindid and con.contype in ('p', 'u', 'x')
  where con.conrelid = $1
  order by con.oid`;
