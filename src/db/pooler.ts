/**
 * Is the session ours for as long as the connection lasts? Through a pooler in transaction (or statement) mode it is not: what
 * one statement sets or locks, another client's transaction finds, and our next statement runs elsewhere. That must be noticed
 * before anything is set, and without leaving anything in a session: nothing here sets, locks, prepares or listens.
 *
 * A connection whose port the server sees as we do is our own. For every other one (a pooler, but also an address translation,
 * a tunnel, a load balancer, a socket) a second connection is opened beside it: where two connections that both are open
 * have the same backend, or one has two, backends are handed round. That holds for a pool of one backend as well.
 */
import type pg from 'pg';
import { RefusedError, FailedError } from '../errors.js';
import { inTime, late } from './wait.js';
import type { Connected } from './connect.js';

/** What the server says of the session that serves us now. */
export interface Sight {
  readonly pid: number;
  readonly serverVersion: number;
  /** Of the backend; with its pid it is known for good. */
  readonly startedAt: string;
  /** As the server sees it. */
  readonly clientPort: number | null;
}

/**
 * A simple query: with parameters it would be a prepared statement. Not by the view pg_stat_activity, for whose joins a new
 * backend would have to load half of its catalog caches first.
 */
const sightSql = `
  select
    a.pid,
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as "serverVersion",
    a.backend_start::pg_catalog.text as "startedAt",
    a.client_port as "clientPort"
  from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as a`;

export async function look(client: pg.Client): Promise<Sight> {
  const { rows } = await client.query<Sight>(sightSql);
  const [sight] = rows;
  if (sight === undefined) throw new Error('the server did not answer its process id');
  return sight;
}

export function backendOf({ pid, startedAt }: Sight): string {
  return `${pid} ${startedAt}`;
}

/** Somebody between us and the server speaks the protocol himself. */
export function isPooled({ processId }: Connected, { pid }: Sight): boolean {
  return processId !== pid;
}

/** Nobody is in between: the server's end of the connection is the other end of ours. */
export function isDirect(connected: Connected, sight: Sight): boolean {
  return (
    !isPooled(connected, sight) && connected.localPort !== null && connected.localPort === sight.clientPort
  );
}

/** How long the second connection waits for a backend before the first is asked again. */
const patienceMs = 2_000;
/** A pool whose backends are all busy for so long is none to work with. */
const longPatienceMs = 15_000;
/** One pool hands out the backend that was used last, another the one that was not used for longest, a third any. */
const rounds = 3;

/**
 * @param openSecond another connection to the same place
 * @throws RefusedError `pooled-transactions`; FailedError `cannot-connect`
 */
export async function refuseSharedBackends(
  first: { readonly connected: Connected; readonly sight: Sight },
  openSecond: () => Promise<Connected>,
  signal?: AbortSignal,
): Promise<void> {
  const { client } = first.connected;
  const pooled = isPooled(first.connected, first.sight);
  let second: Connected;
  try {
    second = await openSecond();
  } catch (error) {
    signal?.throwIfAborted();
    // A role with one connection, say. What is no pooler for all that is seen is taken for none.
    if (pooled) throw error;
    return;
  }
  try {
    const beside = look(second.client);
    // It may be answered never.
    beside.catch(() => undefined);
    const answer = await inTime(beside, patienceMs, signal);
    if (answer === late) {
      // Both wait in one line: the first is answered before the second only where it has its backend for itself.
      const again = look(client);
      const who = await inTime(
        Promise.race([again.then(() => 'first' as const), beside.then(() => 'second' as const)]),
        longPatienceMs,
        signal,
      );
      if (who === 'first') return;
      if (who === late) throw poolExhausted();
      await again;
    }
    const seen = { first: new Set([backendOf(first.sight)]), second: new Set([backendOf(await beside)]) };
    for (let round = 0; round < rounds; round += 1) {
      if (areShared(seen.first, seen.second)) throw pooledTransactions();
      // The same one twice in a row: where the oldest is handed out next, one that takes turns sees no change.
      for (let time = 0; time < 2; time += 1) seen.first.add(backendOf(await look(client)));
      for (let time = 0; time < 2; time += 1) seen.second.add(backendOf(await look(second.client)));
    }
    if (areShared(seen.first, seen.second)) throw pooledTransactions();
  } finally {
    // One that waits for a backend would not hear a goodbye.
    const goodbye = second.client.end().catch(() => undefined);
    await inTime(goodbye, 500);
    (second.client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

function areShared(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size > 1 || other.size > 1 || [...one].some((backend) => other.has(backend));
}

export function pooledTransactions(): RefusedError {
  return new RefusedError([
    {
      code: 'pooled-transactions',
      message:
        'this connection goes through a pooler that gives each transaction another session (transaction or statement mode): settings and locks would not last, and would be left in sessions of the application',
      hint: 'connect to the server itself, or to a pool in session mode (PgBouncer: pool_mode=session for this user or database; RDS Proxy, Supavisor, Odyssey, pgcat: the direct endpoint or port)',
    },
  ]);
}

function poolExhausted(): FailedError {
  return new FailedError(
    'cannot-connect',
    'the pooler has no session for this connection: all of them are busy',
    {
      state: 'nothing was changed by this command',
      hint: 'connect to the server itself, or give the pool more sessions',
    },
  );
}
