/** Three tables, an application that goes on all the while, and those who may stand in the way. */
import { type TestDatabase, until } from '../support/database.js';
import { otherSession } from '../locks/scene.js';

/** `n` counts what was written to a row. */
export const setup = `
  create table parent (id int primary key, n int not null default 0);
  create table t (
    id serial primary key, n int not null default 0, parent_id int constraint to_parent references parent);
  create table child (id int primary key, n int not null default 0, t_id int constraint to_t references t);
  insert into parent (id) select generate_series(1, 10);
  insert into t (parent_id) select 1 + i % 10 from generate_series(1, 200) as i;
  insert into child (id, t_id) select i, i from generate_series(1, 10) as i;`;

export const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
export const nativeChange = { table: 't', alter: ['ADD COLUMN later int'] };

/** Waits for a lock end after this; what the tool may take besides is far less than `tolerableMs`. */
export const lockTimeoutMs = 50;

/** More than a lock timeout and a hold on a busy machine; far less than any blocker stays. */
export const tolerableMs = 700;

export interface Blocker {
  /** 0: a prepared transaction. */
  readonly pid: number;
  /** It ends by itself, what it has written is committed. */
  readonly release: () => Promise<void>;
}

export interface Kind {
  readonly name: string;
  /** Of the lock that is in the way. */
  readonly mode: string;
  readonly state: string | null;
  /** How much its release leaves in the row 2 of the table. */
  readonly leaves: number;
  /** What it locks, where that is not the table itself. */
  readonly relation?: string;
  readonly block: (db: TestDatabase, table: string) => Promise<Blocker>;
}

const write = (table: string): string => `begin; update ${table} set n = n + 100 where id = 2`;

async function idle(db: TestDatabase, statement: string, end: string): Promise<Blocker> {
  const { pid, client } = await otherSession(db, statement);
  return { pid, release: async () => void (await client.query(end)) };
}

export const kinds = {
  wrote: {
    name: 'a transaction that has written and sits idle',
    mode: 'ROW EXCLUSIVE',
    state: 'idle in transaction',
    leaves: 100,
    block: (db, table) => idle(db, write(table), 'commit'),
  },
  read: {
    name: 'a transaction that has read and sits idle',
    mode: 'ACCESS SHARE',
    state: 'idle in transaction',
    leaves: 0,
    block: (db, table) => idle(db, `begin; select from ${table}`, 'commit'),
  },
  reads: {
    name: 'a long SELECT',
    mode: 'ACCESS SHARE',
    state: 'active',
    leaves: 0,
    async block(db, table) {
      const { pid, running } = await otherSession(db, 'select', {
        meanwhile: `select pg_sleep(600) from ${table}`,
      });
      return {
        pid,
        async release() {
          await db.query('select pg_cancel_backend($1)', [pid]);
          await running;
        },
      };
    },
  },
  drew: {
    name: 'a transaction that has drawn a number from its sequence',
    mode: 'ROW EXCLUSIVE',
    state: 'idle in transaction',
    leaves: 0,
    relation: 't_id_seq',
    block: (db) => idle(db, `begin; select nextval('t_id_seq')`, 'commit'),
  },
  prepared: {
    name: 'a prepared transaction',
    mode: 'ROW EXCLUSIVE',
    state: null,
    leaves: 100,
    async block(db, table) {
      await otherSession(db, `${write(table)}; prepare transaction '${gidOf(db)}'`);
      return { pid: 0, release: async () => void (await db.query(`commit prepared '${gidOf(db)}'`)) };
    },
  },
  ddl: {
    name: 'a DDL that is not committed',
    // The strongest that leaves the application alone, so that all of its waiting is our doing.
    mode: 'SHARE UPDATE EXCLUSIVE',
    state: 'idle in transaction',
    leaves: 0,
    block: (db, table) => idle(db, `begin; alter table ${table} alter column n set statistics 7`, 'rollback'),
  },
  concurrently: {
    name: 'CREATE INDEX CONCURRENTLY',
    mode: 'SHARE UPDATE EXCLUSIVE',
    state: 'active',
    leaves: 0,
    async block(db, table) {
      // It waits at its end for the end of all older snapshots.
      const old = await idle(db, 'begin isolation level repeatable read; select txid_current()', 'commit');
      const { client, pid } = await otherSession(db, 'select');
      const built = client.query(`create index concurrently on ${table} (n)`);
      await until(
        async () =>
          (await db.query(`select from pg_locks where pid = $1 and not granted`, [pid])).rows.length,
        { what: 'the index waiting for an old snapshot' },
      );
      return {
        pid,
        async release() {
          await old.release();
          await built;
        },
      };
    },
  },
} as const satisfies Record<string, Kind>;

export function gidOf({ name }: TestDatabase): string {
  return `gid of ${name}`;
}

const everyMs = 5;

/** Short statements on a table, every few milliseconds: a reader and a writer, or a crowd of readers. */
export class Application implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #work: Promise<void>[] = [];
  longestMs = 0;
  errors: Error[] = [];
  /** To the row 1. */
  writes = 0;
  reads = 0;

  private constructor() {}

  static async start(db: Pick<TestDatabase, 'connect'>, table = 't'): Promise<Application> {
    const app = new Application();
    await app.#reads(db, table, everyMs);
    await app.#repeat(db, `update ${table} set n = n + 1 where id = 1`, everyMs, () => (app.writes += 1));
    await until(() => app.reads > 0 && app.writes > 0, { what: 'the application at work' });
    return app;
  }

  static async crowd(db: Pick<TestDatabase, 'connect'>, readers: number): Promise<Application> {
    const app = new Application();
    for (let i = 0; i < readers; i += 1) await app.#reads(db, 't', everyMs * 4);
    return app;
  }

  #reads(db: Pick<TestDatabase, 'connect'>, table: string, pauseMs: number): Promise<void> {
    return this.#repeat(db, `select n from ${table} where id = 1`, pauseMs, () => (this.reads += 1));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#work);
  }

  async #repeat(
    db: Pick<TestDatabase, 'connect'>,
    statement: string,
    pauseMs: number,
    done: () => void,
  ): Promise<void> {
    const client = await db.connect();
    const work = async (): Promise<void> => {
      while (!this.#stop.signal.aborted) {
        const started = performance.now();
        try {
          await client.query(statement);
          done();
        } catch (error) {
          this.errors.push(error as Error);
          return;
        }
        this.longestMs = Math.max(this.longestMs, performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    };
    this.#work.push(work());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/**
 * Until a command that tells no events has given up so many tries for its lock, the first three of which do not wait. One that
 * waits without a limit gives up none.
 */
export async function triesOf(db: TestDatabase, application: string, count: number): Promise<void> {
  const seen = new Set<string>();
  await until(
    async () => {
      const { rows } = await db.query<{ at: string }>(
        `select query_start::text as at from pg_stat_activity
         where datname = current_database() and application_name = $1 and state = 'idle' and query = 'rollback'`,
        [application],
      );
      for (const { at } of rows) seen.add(at);
      return seen.size >= count;
    },
    { what: `${count} tries of ${application} for a lock` },
  );
}
