/** Reads what a table is. */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { FailedError } from '../errors.js';
import { readColumns } from './columns.js';
import { readConstraints } from './constraints.js';
import { withDeparseSettings } from './deparse-settings.js';
import { frozen } from './freeze.js';
import { readIndexes } from './indexes.js';
import { readOwnedSequences } from './sequences.js';
import { readStatistics } from './statistics.js';
import { grantsJsonSql } from './acl-sql.js';
import type { TableShape } from '../model/table-shape.js';

/**
 * The whole shape in a handful of queries, under settings that make every SQL text in it mean the same anywhere.
 * In a transaction of the caller it reads there; outside of one, in a snapshot of its own.
 *
 * @throws FailedError `table-gone` when there is no table with this OID any more
 */
export async function readTableShape(session: Session, oid: number): Promise<TableShape> {
  return await withDeparseSettings(session, async () => {
    const table = await readTableProperties(session, oid);
    const columns = await readColumns(session, oid);
    const constraints = await readConstraints(session, oid);
    const indexes = await readIndexes(session, oid);
    const sequences = await readOwnedSequences(session, oid);
    const statistics = await readStatistics(session, oid);
    return frozen({ ...table, columns, constraints, indexes, sequences, statistics });
  });
}

type TableProperties = Omit<TableShape, 'columns' | 'constraints' | 'indexes' | 'sequences' | 'statistics'>;

async function readTableProperties(session: Session, oid: number): Promise<TableProperties> {
  const [table] = await session.rows<TableProperties>(catalogQuery(tableSql, [oid]));
  if (table === undefined) {
    throw new FailedError('table-gone', `there is no table with OID ${oid} any more`, {
      state: 'it was dropped meanwhile; nothing was changed by this command',
    });
  }
  return table;
}

const tableSql = `
  select
    c.oid,
    json_build_object('schema', n.nspname, 'name', c.relname) as name,
    pg_get_userbyid(c.relowner)::text as owner,
    c.relpersistence = 'u' as unlogged,
    am.amname::text as "accessMethod",
    ts.spcname::text as tablespace,
    array(
      select o from unnest(c.reloptions) as o
      union all
      select 'toast.' || o from unnest(toast.reloptions) as o
      order by 1
    ) as options,
    case c.relreplident when 'd' then 'default' when 'n' then 'nothing' when 'f' then 'full' else 'index' end
      as "replicaIdentity",
    ${grantsJsonSql('c.relacl', 'r', 'c.relowner')} as grants,
    obj_description(c.oid, 'pg_class') as comment,
    pg_relation_filenode(c.oid) as filenode
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  left join pg_am as am on am.oid = c.relam
  left join pg_tablespace as ts on ts.oid = c.reltablespace
  left join pg_class as toast on toast.oid = c.reltoastrelid
  where c.oid = $1`;
