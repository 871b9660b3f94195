/**
 * Creates the schema `ghost` when it is not there, brings it up to date, and refuses to touch one that is not ours. Only who
 * writes does any of that: whoever reads takes the state as it is, in the layout of whichever version made it.
 */
import type { Session } from '../db/session.js';
import { messageWithDetail, SqlState, sqlState } from '../db/sqlstate.js';
import { RefusedError } from '../errors.js';
import { isActiveSql } from './phase-sql.js';
import {
  createStateSchemaSql,
  dropStateSql,
  hasOthersSql,
  layoutOf,
  readStateSchemaSql,
  stateKeysSql,
  stateVersion,
  tablesOfLayout,
} from './layout.js';
import { upgradesFrom } from './upgrades.js';

/** Any constant will do: it only keeps two first runs from creating the schema at the same time. */
const creationLock = 0x67686f73;

interface FoundSchema {
  readonly comment: string | null;
  readonly isNamedSo: boolean;
  /** Quoted where it must be. */
  readonly name: string;
  readonly usable: boolean;
  /** Those of ours that are in it. */
  readonly tables: readonly string[];
  readonly owner: string;
}

async function findSchema(session: Session): Promise<FoundSchema | null> {
  const [found] = await session.rows<FoundSchema>(readStateSchemaSql);
  return found ?? null;
}

/**
 * Looks at the state's tables before they are made or altered; what it gives back is called after that, in the same transaction,
 * and takes off whatever came on them that nobody meant.
 */
export type WatchTables = (session: Session) => Promise<() => Promise<void>>;

const noWatch: WatchTables = async () => async () => {};

/**
 * The layout of the state that is there; null when there is none. Changes nothing.
 * @throws RefusedError when a schema of that name is somebody else's, of a later version, closed to this role, or not whole.
 */
export async function findState(session: Session): Promise<number | null> {
  const found = await findSchema(session);
  if (found === null) return null;
  const layout = layoutOf(found.comment);
  if (!found.isNamedSo) {
    throw new RefusedError([
      {
        code: 'state-schema-renamed',
        message: `the schema "ghost", where pg-ghost keeps its migrations, was renamed to ${found.name}`,
        hint: `alter schema ${found.name} rename to ghost; capture writes to it by its name`,
      },
    ]);
  }
  if (layout === null) {
    throw new RefusedError([
      {
        code: 'state-schema-taken',
        message: 'there is a schema "ghost" in this database that pg-ghost did not create',
        hint: isWhole(found, stateVersion)
          ? "its tables have the names of those of pg-ghost: if it came with a dump that was restored without comments, drop schema ghost cascade, which ends every capture with it; schemas ghost_new_... that are then left are nobody's"
          : 'rename it: pg-ghost keeps its state under this name',
      },
    ]);
  }
  if (layout > stateVersion) {
    throw new RefusedError([
      {
        code: 'state-of-later-version',
        message: `the state in this database (schema "ghost") has the layout ${layout} of a later version of pg-ghost; this one knows layouts up to ${stateVersion}`,
        hint: 'use that version, or a later one',
      },
    ]);
  }
  if (!found.usable) {
    throw new RefusedError([
      {
        code: 'state-schema-closed',
        message: `the schema "ghost" belongs to role "${found.owner}", and this role may not use it`,
        hint: `connect as "${found.owner}" or as a member of it; the state is closed to everybody else`,
      },
    ]);
  }
  if (!isWhole(found, layout)) {
    throw new RefusedError([
      {
        code: 'state-incomplete',
        message:
          'the schema "ghost" is pg-ghost\'s, but tables of it are missing: dropped, or left out of a dump',
        hint: 'if no migration of this database is to be kept: drop schema ghost cascade, which ends every capture with it',
      },
    ]);
  }
  return layout;
}

function isWhole({ tables }: FoundSchema, layout: number): boolean {
  return tablesOfLayout(layout).every((name) => tables.includes(name));
}

/**
 * For whoever writes: true when there is a state, which then has the present layout.
 * @throws RefusedError also when it cannot be brought up to date
 */
export async function openState(session: Session, watch: WatchTables = noWatch): Promise<boolean> {
  const layout = await findState(session);
  if (layout === null) return false;
  if (layout < stateVersion) await upgradeState(session, watch);
  return true;
}

/** @throws RefusedError while a migration of a former version is under way: this one would not know its objects. */
async function upgradeState(session: Session, watch: WatchTables): Promise<void> {
  await session.transaction(async () => {
    await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
    const layout = await findState(session);
    if (layout === null || layout === stateVersion) return;
    const upgrades = upgradesFrom(layout);
    if (upgrades.some(({ isBreaking }) => isBreaking)) await refuseActive(session);
    const setRight = await watch(session);
    for (const stage of upgrades.flatMap(({ stages }) => stages)) {
      await session.batch(stage).catch((error: unknown) => {
        throw sqlState(error) === SqlState.dependentObjects ? inTheWay(error) : error;
      });
      await setRight();
    }
  });
}

async function refuseActive(session: Session): Promise<void> {
  const { active } = await session.row<{ active: string | null }>(
    `select string_agg(id::text, ', ' order by id) as active
     from ghost.migrations
     where ${isActiveSql}`,
  );
  if (active === null) return;
  throw new RefusedError([
    {
      code: 'state-of-former-version',
      message: `migration ${active} was begun by an earlier version of pg-ghost, whose objects this one does not know`,
      hint: 'end or abort it with that version; the state is then upgraded by itself',
    },
  ]);
}

/** A view of somebody's over what the new layout does not have. */
function inTheWay(error: unknown): RefusedError {
  return new RefusedError(
    [
      {
        code: 'state-in-use',
        message: `the state of an earlier version cannot be brought up to date: ${messageWithDetail(error)}`,
        hint: 'drop what depends on it, run again, and make it anew for the tables as they are then',
      },
    ],
    { cause: error },
  );
}

export async function ensureState(session: Session, watch: WatchTables = noWatch): Promise<void> {
  if (await openState(session, watch)) return;
  try {
    await session.transaction(async () => {
      await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
      if (await openState(session, watch)) return;
      await createState(session, watch);
    });
  } catch (error) {
    if (sqlState(error) !== SqlState.insufficientPrivilege) throw error;
    const { database, role, may } = await session.row<{ database: string; role: string; may: boolean }>(
      `select quote_ident(current_database()) as database, quote_ident(current_user) as role,
         has_database_privilege(current_database(), 'create') as may`,
    );
    // It is what came after that was denied: to a table that somebody else owned as soon as it was made, say.
    if (may) throw error;
    throw new RefusedError([
      {
        code: 'missing-privilege',
        message: 'this role may not create schemas in this database',
        hint: `grant create on database ${database} to ${role};`,
      },
    ]);
  }
}

/** In the caller's transaction. */
export async function createState(session: Session, watch: WatchTables = noWatch): Promise<void> {
  const setRight = await watch(session);
  await session.batch(createStateSchemaSql);
  await setRight();
  await session.batch(stateKeysSql);
  await setRight();
}

/** In the caller's transaction, which knows that it holds no migration. */
export async function dropState(session: Session): Promise<void> {
  await session.batch(dropStateSql);
}

/** Takes the schema away again when it holds no migration: a run that failed before it began leaves nothing. */
export async function dropEmptyState(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
    if ((await findState(session)) !== stateVersion) return;
    const { used } = await session.row<{ used: boolean }>(
      `select exists (select from ghost.migrations) or ${hasOthersSql} as used`,
    );
    if (used) return;
    await dropState(session);
  });
}
