/** A table, somebody who asks for its lock, somebody in the way, and an application that wants to go on. */
import type pg from 'pg';
import { Session } from '../../src/db/session.js';
import type { LedgerEntry } from '../../src/locks/ledger.js';
import type { Killed } from '../../src/locks/kill-blockers.js';
import { underLock, type LockedWork } from '../../src/locks/locked-transaction.js';
import type { Miss } from '../../src/locks/attempts.js';
import { type TestDatabase, until } from '../support/database.js';

export const setup = `create table t (id integer primary key, n integer);
  insert into t select i, i from generate_series(1, 10) as i`;

interface Outcome {
  readonly misses: Miss[];
  readonly ledger: LedgerEntry[];
  readonly kills: Killed[];
}

export interface Scene extends AsyncDisposable, Outcome {
  readonly session: Session;
  readonly watcher: Session;
  readonly oid: number;
  /** Asks for ACCESS EXCLUSIVE on `t`, and does nothing under it unless told otherwise. */
  readonly ask: (
    options: Partial<Omit<LockedWork<void>, 'limits'>> & {
      readonly limits?: Partial<LockedWork<void>['limits']>;
    },
  ) => Promise<{ holdMs: number; attempts: number }>;
}

export async function openScene(db: { readonly url: string }, url = db.url): Promise<Scene> {
  const session = await Session.open({ connection: { url }, applicationName: 'pg-ghost 1 cutover' });
  const watcher = await Session.open({ connection: { url }, applicationName: 'pg-ghost 1 watch' });
  const { oid } = await watcher.row<{ oid: number }>(`select 'public.t'::regclass::oid as oid`);
  const outcome: Outcome = { misses: [], ledger: [], kills: [] };
  return {
    ...outcome,
    session,
    watcher,
    oid,
    ask: ({ limits, ...options }) =>
      underLock<void>({
        session,
        watcher,
        request: { what: 'the test', table: 'public.t', tableOid: oid, mode: 'ACCESS EXCLUSIVE' },
        limits: { lockTimeoutMs: 100, maxHoldMs: 2_000, deadlineMs: 20_000, ...limits },
        work: () => Promise.resolve({ last: [], value: undefined }),
        onMiss: (miss) => outcome.misses.push(miss),
        onLock: (entry) => outcome.ledger.push(entry),
        onKill: (killed) => outcome.kills.push(killed),
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([session.close(), watcher.close()]);
    },
  };
}

export interface Other {
  readonly client: pg.Client;
  readonly pid: number;
  /** Of what it was left doing; never rejects. */
  readonly running: Promise<Error | null>;
}

export interface OtherOptions {
  readonly url?: string;
  readonly application?: string;
  /** Left running. */
  readonly meanwhile?: string;
}

/** A session that has run the statement and, if asked, runs another one that does not end soon. */
export async function otherSession(
  db: TestDatabase,
  statement: string,
  { url = db.url, application = 'other', meanwhile }: OtherOptions = {},
): Promise<Other> {
  const client = await db.connect(url);
  await client.query(`set application_name = '${application}'`);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = rows[0]?.pid ?? 0;
  await client.query(statement);
  if (meanwhile === undefined) return { client, pid, running: Promise.resolve(null) };
  const running = client.query(meanwhile).then(
    () => null,
    (error: Error) => error,
  );
  await until(
    async () =>
      (
        await db.query(
          `select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep' and state = 'active'`,
          [pid],
        )
      ).rows.length,
    { what: 'the session at work' },
  );
  return { client, pid, running };
}

export interface Application extends AsyncDisposable {
  /** Ends it. */
  readonly end: () => Promise<{ longestMs: number; queries: number; errors: Error[] }>;
}

/** Reads the table all the time, and takes note of how long that takes at worst. */
export async function application(
  db: TestDatabase,
  statement = 'select n from t where id = 1',
): Promise<Application> {
  const client = await db.connect();
  const stop = new AbortController();
  const seen = { longestMs: 0, queries: 0, errors: [] as Error[] };
  const work = (async () => {
    while (!stop.signal.aborted) {
      const started = performance.now();
      try {
        await client.query(statement);
      } catch (error) {
        seen.errors.push(error as Error);
        break;
      }
      seen.longestMs = Math.max(seen.longestMs, performance.now() - started);
      seen.queries += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  await until(() => seen.queries > 0, { what: 'the first answer to the application' });
  const end: Application['end'] = async () => {
    stop.abort();
    await work;
    return seen;
  };
  return {
    end,
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}

/** Until the session waits for a lock. */
export async function waitsForLock(db: TestDatabase, pid: number): Promise<void> {
  await until(
    async () => (await db.query('select from pg_locks where pid = $1 and not granted', [pid])).rows.length,
    { what: `pid ${pid} waiting for a lock` },
  );
}
