/** Finds the relation that a user's text names. */
import type { Session } from '../db/session.js';
import { UsageError } from '../errors.js';
import { parseName } from '../sql/parse.js';
import type { QualifiedName } from '../model/name.js';
import { frozen } from './freeze.js';

export interface FoundTable extends QualifiedName {
  readonly oid: number;
  readonly kind: RelationKind;
  readonly persistence: 'permanent' | 'unlogged' | 'temporary';
  readonly isPartition: boolean;
  /** In pg_catalog, information_schema or a TOAST schema. */
  readonly isSystem: boolean;
  readonly owner: string;
}

type RelationKind =
  | 'table'
  | 'partitioned table'
  | 'view'
  | 'materialized view'
  | 'foreign table'
  | 'sequence'
  | 'index'
  | 'partitioned index'
  | 'composite type'
  | 'toast table';

/**
 * @param name as in SQL: unquoted parts fold to lower case; without a schema the user's `search_path` decides
 * @returns null when there is no relation of that name (or none that this role may see)
 * @throws UsageError `bad-name` when the text is not a name
 */
export async function findTable(session: Session, name: string | QualifiedName): Promise<FoundTable | null> {
  const wanted = typeof name === 'string' ? parsedName(name) : name;
  const [found] = await session.rows<FoundTable>(
    wanted.schema === null
      ? { text: `${findSql}where c.oid = $1`, values: [await onPath(session, wanted.name)] }
      : {
          text: `${findSql}where n.nspname = $1::name and c.relname = $2::name`,
          values: [wanted.schema, wanted.name],
        },
  );
  return found === undefined ? null : frozen(found);
}

async function onPath(session: Session, name: string): Promise<number | null> {
  const { oid } = await session.asUser(() =>
    session.row<{ oid: number | null }>({
      text: `select pg_catalog.to_regclass(pg_catalog.quote_ident($1))::pg_catalog.oid as oid`,
      values: [name],
    }),
  );
  return oid;
}

function parsedName(text: string): { schema: string | null; name: string } {
  const [name, schema, ...more] = parseName(text).toReversed();
  if (name === undefined || more.length > 0) {
    throw new UsageError('bad-name', `too many parts in the name: ${text}`, {
      hint: 'write orders, or app.orders; the database is chosen by the connection',
    });
  }
  return { schema: schema ?? null, name };
}

const findSql = `
  select
    c.oid,
    n.nspname::text as schema,
    c.relname::text as name,
    case c.relkind
      when 'r' then 'table'
      when 'p' then 'partitioned table'
      when 'v' then 'view'
      when 'm' then 'materialized view'
      when 'f' then 'foreign table'
      when 'S' then 'sequence'
      when 'i' then 'index'
      when 'I' then 'partitioned index'
      when 'c' then 'composite type'
      else 'toast table'
    end as kind,
    case c.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' else 'permanent' end as persistence,
    c.relispartition as "isPartition",
    n.nspname in ('pg_catalog', 'information_schema', 'pg_toast') as "isSystem",
    pg_get_userbyid(c.relowner)::text as owner
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  `;
