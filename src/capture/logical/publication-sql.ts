/** What logical capture makes: the publication on the table, the log, and how far it has come. */
import type { Key } from '../../model/key.js';
import type { QualifiedName } from '../../model/name.js';
import { commentStatement, markOf, type MigrationIdentity } from '../../sql/marks.js';
import type { Session } from '../../db/session.js';
import { ident, qualified, sql } from '../../sql/quote.js';
import { captureSchema, createLogStatements, dropLogStatements, keyType, logTables } from '../key-log.js';
import type { CaptureFacts } from '../capture.js';

export function publicationName(suffix: string): string {
  return `ghost_capture_${suffix}`;
}

/** One row: the last transaction of the stream whose keys are in the log, and whether none before it are missing (`is_whole`). */
export function positionTable(suffix: string): QualifiedName {
  return { schema: captureSchema, name: `feed_${suffix}` };
}

/** From 15 on. */
const columnListsSince = 150000;

/**
 * What is sent of each row: the key, and all of the replica identity, without which the application's UPDATE and DELETE would fail.
 * null: all of it, where a list is not possible.
 */
export async function publishedColumns(
  session: Session,
  { table, key }: CaptureFacts,
): Promise<string[] | null> {
  if (session.serverVersion < columnListsSince) return null;
  const { replicaIdentity, columns } = await session.row<{ replicaIdentity: string; columns: string[] }>({
    text: sql`
      select c.relreplident as "replicaIdentity", array(
        select a.attname::text
        from pg_attribute as a
        where a.attrelid = c.oid
          and (a.attname = any ($2::name[]) or a.attnum = any (
            select unnest(i.indkey) from pg_index as i where i.indexrelid = pg_get_replica_identity_index(c.oid)
          ))
        order by a.attnum
      ) as columns
      from pg_class as c
      where c.oid = $1::regclass`,
    values: [qualified(table), key.columns.map(({ name }) => name)],
  });
  return replicaIdentity === 'f' ? null : columns;
}

/**
 * Where columns stand among those that are published, which are told in the order of the table. A rename changes nothing of it.
 *
 * @returns null when the table is not published any more
 */
export async function publishedPositions(
  session: Session,
  {
    suffix,
    table,
    columns,
  }: { readonly suffix: string; readonly table: number; readonly columns: readonly number[] },
): Promise<number[] | null> {
  // From 15 on; a list may be all of the columns, too.
  const listed = session.serverVersion < columnListsSince ? 'null::int2vector' : 'r.prattrs';
  const [found] = await session.rows<{ positions: number[] }>({
    text: sql`
      select array(
        select (
          select count(*)::int
          from pg_attribute as a
          where a.attrelid = r.prrelid
            and a.attnum between 1 and wanted - 1
            and not a.attisdropped
            and case when ${listed} is null then a.attgenerated = '' else a.attnum = any (${listed}) end
        )
        from unnest($3::int[]) with ordinality as w (wanted, place)
        order by place
      ) as positions
      from pg_publication_rel as r
      join pg_publication as p on p.oid = r.prpubid
      where p.pubname = $1 and r.prrelid = $2`,
    values: [publicationName(suffix), table, columns],
  });
  return found?.positions ?? null;
}

/** The table alone, and all kinds of writes. */
export function publicationStatements(facts: CaptureFacts, columns: readonly string[] | null): string[] {
  const name = ident(publicationName(facts.suffix));
  const list = columns === null ? '' : ` (${columns.map(ident).join(', ')})`;
  return [
    `create publication ${name} for table only ${qualified(facts.table)}${list}`,
    commentStatement(`publication ${name}`, markOf(facts, 'capture')),
  ];
}

/** Locks no table. */
export function dropPublicationStatement(suffix: string): string {
  return `drop publication if exists ${ident(publicationName(suffix))}`;
}

export function createFeedStatements(suffix: string, key: Key): string[] {
  const position = qualified(positionTable(suffix));
  return [
    ...createLogStatements(suffix, key),
    `create table ${position} (lsn pg_lsn not null, is_whole boolean not null default true)`,
    `revoke all on ${position} from public`,
  ];
}

/** Once what event triggers do to new tables was undone. */
export function firstPositionStatement(suffix: string): string {
  return `insert into ${qualified(positionTable(suffix))} values ('0/0')`;
}

export function markFeedStatements(migration: MigrationIdentity, suffix: string): string[] {
  const { parts, truncations } = logTables(suffix);
  const log = markOf(migration, 'change log');
  return [
    ...[...parts, truncations, positionTable(suffix)].map((name) =>
      commentStatement(`table ${qualified(name)}`, log),
    ),
    commentStatement(`type ${qualified(keyType(suffix))}`, log),
  ];
}

export function dropFeedStatements(suffix: string): string[] {
  return [...dropLogStatements(suffix), `drop table if exists ${qualified(positionTable(suffix))}`];
}
