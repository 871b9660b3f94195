/**
 * One connection to PostgreSQL with pinned settings. All SQL of this project goes through it.
 *
 * Values come back as JavaScript types only where nothing can be lost (booleans, 16/32-bit integers, OIDs, floats,
 * JSON, arrays of text or of those); `bigint` comes back as number (our own counts and sizes stay far below 2^53:
 * users' key values are always cast to text in SQL); everything else is text.
 */
import pg from 'pg';
import { ident, literal, type SqlQuery } from '../sql/quote.js';
import { connect, type Connected } from './connect.js';
import type { ConnectionOptions } from './conninfo/connection-options.js';
import {
  backendOf,
  isDirect,
  isPooled,
  look,
  pooledTransactions,
  refuseSharedBackends,
  type Sight,
} from './pooler.js';
import { ownSettings } from './settings.js';
import { isConnectionLost, isServerError } from './sqlstate.js';
import { inTime } from './wait.js';

export interface SessionOptions {
  readonly connection: ConnectionOptions;
  /** Set in the session before anything else runs (invariant 13). */
  readonly settings?: Readonly<Record<string, string>>;
  /** With `ownSettings`, which go before `settings`: for all work of ours; false leaves the role's `search_path`. */
  readonly own?: boolean;
  /** What `asUser` means, where it is not what the role and the database give now: the pinned ones of a migration. */
  readonly user?: Readonly<Record<string, string>>;
  /** Shown in pg_stat_activity: `pg-ghost 12 copy`. */
  readonly applicationName?: string;
  readonly signal?: AbortSignal;
}

/**
 * Settings that every session of ours has, whatever the role's or database's defaults are. Timeouts that an
 * administrator set for applications must not end a copy; our own limits are set where they belong.
 */
const baseSettings: Readonly<Record<string, string>> = {
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  default_tablespace: '',
  default_table_access_method: 'heap',
  client_min_messages: 'warning',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  check_function_bodies: 'on',
  // A client whose machine is gone holds its locks until the server notices: two hours by the kernel's defaults.
  tcp_keepalives_idle: '30',
  tcp_keepalives_interval: '10',
  tcp_keepalives_count: '3',
};

/** A statement of a client that is gone ends within this. Not every platform can look for that. */
const clientCheckInterval = '5s';

export type IsolationLevel = 'read committed' | 'repeatable read';

export interface StatementResult {
  readonly rows: readonly Record<string, unknown>[];
  readonly rowCount: number;
}

/** Backends of our sessions that are open: no two may have the same one. */
const backendsInUse = new Set<string>();
/** Where connections were seen to keep their backends, so that not each of them needs a second one beside it. */
const trusted = new Set<string>();
/** Where nobody is in between, and a name that is said when connecting is not shown for another client later. */
const unpooled = new Set<string>();
/** A pooler that does not answer is left without a word. */
const resetWithinMs = 2_000;

export class Session implements AsyncDisposable {
  #ended = false;
  /** What was set for the whole session. */
  #settings: Readonly<Record<string, string>> = {};
  /** What `asUser` means; read once, since the role's and the database's settings are those of the session's beginning. */
  #user: Readonly<Record<string, string>> | null;
  readonly #lost = new AbortController();

  private constructor(
    private readonly client: pg.Client,
    /** Server process id: for pg_cancel_backend, and for telling our locks from others'. */
    readonly pid: number,
    /** `server_version_num`, e.g. 180004. */
    readonly serverVersion: number,
    /** It has settings of ours where the role has others; see `asUser`. */
    readonly own: boolean,
    user: Readonly<Record<string, string>> | null,
    private readonly backend: string,
    /** Somebody else gets the server's session after us. */
    private readonly pooled: boolean,
  ) {
    this.#user = user;
    backendsInUse.add(backend);
    client.on('error', (error: unknown) => this.#lost.abort(error));
    client.on('end', () => this.#lost.abort(new Error('connection ended')));
    this.lost.addEventListener('abort', () => backendsInUse.delete(backend), { once: true });
  }

  static async open(options: SessionOptions): Promise<Session> {
    options.signal?.throwIfAborted();
    const applicationName = options.applicationName ?? 'pg-ghost';
    const asked = {
      connection: options.connection,
      nameAt: (place: string) => (unpooled.has(place) ? applicationName : null),
      types: { getTypeParser },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    const connected = await connect(asked);
    const { client } = connected;
    try {
      const sight = await look(client);
      // Before anything is set in it: it may be the session of somebody else.
      await refuseUnlessOurs(connected, sight, () => connect(asked), options.signal);
      const session = new Session(
        client,
        sight.pid,
        sight.serverVersion,
        options.own === true,
        options.user ?? null,
        backendOf(sight),
        isPooled(connected, sight),
      );
      const settings = {
        application_name: applicationName,
        ...baseSettings,
        ...(options.own === true ? ownSettings : {}),
        ...(sight.serverVersion >= 170000 ? { transaction_timeout: '0' } : {}),
        ...options.settings,
      };
      try {
        await session.set({ ...settings, client_connection_check_interval: clientCheckInterval });
      } catch (error) {
        // Nothing was set. What else could be wrong is said again.
        if (!isServerError(error)) throw error;
        await session.set(settings);
      }
      return session;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Aborts when the connection is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Hears notifications on a channel, from now to the end of the session. */
  async listen(channel: string, heard: (payload: string) => void): Promise<void> {
    this.client.on('notification', (message) => {
      if (message.channel === channel) heard(message.payload ?? '');
    });
    await this.batch([`listen ${ident(channel)}`]);
  }

  /** Session-wide settings; names come from us or from the state, values are quoted. */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.#set(settings);
    this.#settings = { ...this.#settings, ...settings };
  }

  async #set(settings: Readonly<Record<string, string>>): Promise<void> {
    const entries = Object.entries(settings);
    if (entries.length === 0) return;
    await this.rows({
      text: `select ${entries.map((_, index) => `pg_catalog.set_config($${index * 2 + 1}, $${index * 2 + 2}, false)`).join(', ')}`,
      values: entries.flat(),
    });
  }

  /**
   * Runs `work` under other settings, and puts back those that the session has. Inside or outside of a transaction:
   * one that is rolled back takes the settings back by itself.
   */
  async under<T>(settings: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
    const { changed, former } = this.differing(settings);
    let result: T;
    try {
      await this.#set(changed);
      result = await work();
    } catch (error) {
      // In a transaction that has failed nothing can be set; its end does it.
      await this.#set(former).catch(() => undefined);
      throw error;
    }
    await this.#set(former);
    return result;
  }

  /** Of these settings, those that the session has not got, and what puts back its own: for who sends them along with statements. */
  differing(settings: Readonly<Record<string, string>>): {
    readonly changed: Readonly<Record<string, string>>;
    readonly former: Readonly<Record<string, string>>;
  } {
    const changed = Object.entries(settings).filter(([name, value]) => this.#settings[name] !== value);
    const former = changed.flatMap(([name]) => {
      const value = this.#settings[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return { changed: Object.fromEntries(changed), former: Object.fromEntries(former) };
  }

  /** Under the settings that the role, the database and `PGOPTIONS` give: for names and expressions that the user wrote. */
  async asUser<T>(work: () => Promise<T>): Promise<T> {
    if (!this.own) return await work();
    this.#user ??= await this.#readUser();
    return await this.under(this.#user, work);
  }

  async #readUser(): Promise<Readonly<Record<string, string>>> {
    const rows = await this.rows<{ name: string; value: string }>({
      text: `select name, reset_val as value from pg_catalog.pg_settings where name = any ($1)`,
      values: [Object.keys(ownSettings)],
    });
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  }

  /** As the server said with its last answer: is a transaction open (or failed) around the next statement? */
  get isInTransaction(): boolean {
    return this.client.getTransactionStatus() !== 'I';
  }

  /** Runs one statement and returns its rows. */
  async rows<Row extends object>(query: SqlQuery | string): Promise<Row[]> {
    const result = await this.client.query<Row & pg.QueryResultRow>(toConfig(query));
    return result.rows;
  }

  /** The only row; an error when there is another number of them. */
  async row<Row extends object>(query: SqlQuery | string): Promise<Row> {
    const rows = await this.rows<Row>(query);
    const [first] = rows;
    if (first === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
    return first;
  }

  /** Runs one statement and returns how many rows it touched. */
  async execute(query: SqlQuery | string): Promise<number> {
    const result = await this.client.query(toConfig(query));
    return result.rowCount ?? 0;
  }

  /** Several statements in one message, without parameters: one round trip, stops at the first error. */
  async batch(statements: readonly string[]): Promise<void> {
    if (statements.length === 0) return;
    await this.client.query(statements.join(';\n'));
  }

  /** Several statements in one message, without parameters, with what each of them returned. */
  async results(statements: readonly string[]): Promise<StatementResult[]> {
    const results: unknown = await this.client.query(statements.join(';\n'));
    // pg gives an array only where there are several.
    const list = Array.isArray(results) ? results : [results];
    return list.map(({ rows, rowCount }: pg.QueryResult) => ({
      rows: rows as Record<string, unknown>[],
      rowCount: rowCount ?? 0,
    }));
  }

  /**
   * Runs `work` in a transaction; rolls back when it throws.
   * A connection that breaks during the final commit makes the outcome unknown: the caller must look.
   */
  async transaction<T>(
    work: () => Promise<T>,
    options: {
      readonly isolation?: IsolationLevel;
      readonly settings?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<T> {
    const settings = Object.entries(options.settings ?? {}).map(
      ([name, value]) => `set local ${ident(name)} = ${literal(value)}`,
    );
    await this.batch([`begin isolation level ${options.isolation ?? 'read committed'}`, ...settings]);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      await this.rollback();
      throw error;
    }
    await this.batch(['commit']);
    return result;
  }

  /** Rolls back; silent when the connection is gone, since the server then rolls back by itself. */
  async rollback(): Promise<void> {
    try {
      await this.batch(['rollback']);
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.pooled) await this.#reset();
    backendsInUse.delete(this.backend);
    await this.client.end().catch(() => undefined);
  }

  /** A pooler in session mode may not do it by itself, and the next client would have our settings. */
  async #reset(): Promise<void> {
    const { readyForQuery } = this.client as unknown as { readyForQuery?: boolean };
    if (readyForQuery !== true || this.lost.aborted) return;
    await inTime(
      this.client.query('discard all').catch(() => undefined),
      resetWithinMs,
    );
  }

  /** Drops the connection without a word, as a crash would. The server may go on with what it is doing. */
  destroy(): void {
    this.#ended = true;
    backendsInUse.delete(this.backend);
    // `stream` is where pg keeps the socket; there is no public way to break a connection off.
    (this.client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @throws RefusedError `pooled-transactions` */
async function refuseUnlessOurs(
  connected: Connected,
  sight: Sight,
  openSecond: () => Promise<Connected>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (backendsInUse.has(backendOf(sight))) throw pooledTransactions();
  if (!isDirect(connected, sight) && !trusted.has(connected.place)) {
    await refuseSharedBackends({ connected, sight }, openSecond, signal);
    trusted.add(connected.place);
  }
  if (!isPooled(connected, sight)) unpooled.add(connected.place);
}

function toConfig(query: SqlQuery | string): pg.QueryConfig {
  if (typeof query === 'string') return { text: query };
  const { text, values, name } = query;
  return {
    text,
    ...(values === undefined ? {} : { values: [...values] }),
    ...(name === undefined ? {} : { name }),
  };
}

const int8 = 20;
/** bool, int2, int4, oid, float4, float8, json, jsonb, and arrays of int2, int4, text, oid. */
const parsedTypes = new Set([16, 21, 23, 26, 700, 701, 114, 3802, 1005, 1007, 1009, 1028]);
/** name[], parsed like text[]. */
const nameArray = 1003;
const textArray = 1009;

function getTypeParser(oid: number, format?: string): (value: string) => unknown {
  if (format === 'binary') throw new Error('binary results are not used');
  if (oid === int8) return Number;
  if (oid === nameArray) return textParser(textArray);
  if (parsedTypes.has(oid)) return textParser(oid);
  return (value) => value;
}

function textParser(oid: number): (value: string) => unknown {
  return pg.types.getTypeParser(oid as Parameters<typeof pg.types.getTypeParser>[0], 'text');
}
