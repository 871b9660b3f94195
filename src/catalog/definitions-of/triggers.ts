/** The user's triggers on tables and views; not those of foreign keys, of extensions, or our own. */
import { isMarkSql } from '../../sql/marks.js';
import type { Session } from '../../db/session.js';
import type { Trigger } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';
import { firingStateSql, nameJson, notOfExtension } from './pieces-sql.js';

export async function readTriggers(session: Session, relations: readonly number[]): Promise<Trigger[]> {
  return await session.rows<Trigger>(catalogQuery(triggersSql, [relations]));
}

const triggersSql = `
  select
    tg.oid,
    tg.tgname::text as name,
    ${nameJson('n', 'c')} as table,
    pg_get_triggerdef(tg.oid) as definition,
    ${firingStateSql('tg.tgenabled')} as enabled,
    obj_description(tg.oid, 'pg_trigger') as comment
  from pg_trigger as tg
  join pg_class as c on c.oid = tg.tgrelid
  join pg_namespace as n on n.oid = c.relnamespace
  where tg.tgrelid = any ($1::oid[])
    and not tg.tgisinternal
    and tg.tgparentid = 0
    and not ${isMarkSql(`obj_description(tg.tgfoid, 'pg_proc')`)}
    and ${notOfExtension('pg_trigger', 'tg.oid')}
  order by n.nspname collate "C", c.relname collate "C", tg.tgname collate "C"`;
