/** Creates the schema `ghost` when it is not there, and refuses to touch one that is not ours. */
import type { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { RefusedError } from '../errors.js';
import {
  createStateSchemaSql,
  formerStateComment,
  readStateSchemaSql,
  stateComment,
  upgradeStateSchemaSql,
} from './schema-sql.js';

/** Any constant will do: it only keeps two first runs from creating the schema at the same time. */
const creationLock = 0x67686f73;

/**
 * True when there is a state schema that we can use.
 * @throws RefusedError when a schema of that name is somebody else's, or closed to this role.
 */
export async function hasState(session: Session): Promise<boolean> {
  const [found] = await session.rows<{ comment: string | null; usable: boolean; owner: string }>(
    readStateSchemaSql,
  );
  if (found === undefined) return false;
  if (found.comment === formerStateComment && found.usable) {
    await upgradeState(session);
    return true;
  }
  if (found.comment !== stateComment) {
    throw new RefusedError([
      {
        code: 'state-schema-taken',
        message:
          'there is a schema "ghost" in this database that pg-ghost did not create (or another version did)',
        hint: 'rename it, or finish its migrations with the version that created it',
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
  return true;
}

/** @throws RefusedError while a migration of the former version is under way: this one would not know its log. */
async function upgradeState(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
    const [found] = await session.rows<{ comment: string }>(readStateSchemaSql);
    if (found?.comment !== formerStateComment) return;
    const { active } = await session.row<{ active: string | null }>(
      `select string_agg(id::text, ', ') as active
       from ghost.migrations
       where phase not in ('swapped', 'finalized', 'aborted')`,
    );
    if (active !== null) {
      throw new RefusedError([
        {
          code: 'state-of-former-version',
          message: `migration ${active} was begun by an earlier version of pg-ghost, whose change log this one does not read`,
          hint: 'end or abort it with that version; the state is then upgraded by itself',
        },
      ]);
    }
    await session.batch(upgradeStateSchemaSql);
  });
}

export async function ensureState(session: Session): Promise<void> {
  if (await hasState(session)) return;
  try {
    await session.transaction(async () => {
      await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
      if (await hasState(session)) return;
      await session.batch(createStateSchemaSql);
    });
  } catch (error) {
    if (sqlState(error) !== SqlState.insufficientPrivilege) throw error;
    const { database, role } = await session.row<{ database: string; role: string }>(
      `select quote_ident(current_database()) as database, quote_ident(current_user) as role`,
    );
    throw new RefusedError([
      {
        code: 'missing-privilege',
        message: 'this role may not create schemas in this database',
        hint: `grant create on database ${database} to ${role};`,
      },
    ]);
  }
}

/** Takes the schema away again when it holds no migration: a run that failed before it began leaves nothing. */
export async function dropEmptyState(session: Session): Promise<void> {
  await session.transaction(async () => {
    await session.rows(`select pg_advisory_xact_lock(${creationLock})`);
    if (!(await hasState(session))) return;
    const { used } = await session.row<{ used: boolean }>(
      `select exists (select from ghost.migrations) as used`,
    );
    if (used) return;
    await session.batch([
      `drop table ghost.progress, ghost.commands, ghost.locks, ghost.chunks`,
      `drop table ghost.migrations`,
      `drop schema ghost`,
    ]);
  });
}
