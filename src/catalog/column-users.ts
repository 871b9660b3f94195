/** What PostgreSQL will not let a column change its type under. */
import type { Session } from '../db/session.js';

export interface ColumnUsers {
  /** OIDs of rules, triggers, policies, functions and publication memberships. */
  readonly objects: readonly number[];
  /** Of views whose query, or whose rule, uses the column. */
  readonly views: readonly number[];
}

/** @param columns names; of a view all columns where null */
export async function readColumnUsers(
  session: Session,
  relations: readonly number[],
  columns: readonly string[] | null,
): Promise<ColumnUsers> {
  return await session.row<ColumnUsers>({
    text: `
      with
      users as (
        select d.classid, d.objid, r.ev_class, r.rulename, c.relkind
        from pg_depend as d
        join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
        left join pg_class as c on c.oid = r.ev_class
        where d.refclassid = 'pg_class'::regclass
          and d.refobjid = any ($1::oid[])
          and ($2::name[] is null or a.attname = any ($2::name[]))
          and d.classid in (
            'pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass,
            'pg_publication_rel'::regclass
          )
      )
      select
        array(select distinct objid from users where relkind is null or relkind not in ('v', 'm')) as objects,
        array(select distinct ev_class from users where relkind in ('v', 'm')) as views`,
    values: [relations, columns],
  });
}
