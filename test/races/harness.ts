/**
 * Races: the program is held at a named point, the application does its worst there, the program goes on to the swap.
 * Every write goes to the table and to a mirror in the same transaction, so afterwards both must hold the same rows;
 * an error that a writer sees fails the test.
 */
import { expect } from 'vitest';
import type pg from 'pg';
import type { MigrateOptions, MigrationEvent } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { runChange, type ChangeInput, type Recorded } from '../support/migration.js';

type Point = Parameters<NonNullable<MigrateOptions['onPoint']>>[0];
export type { Point };

/** About ten rows a block: the first chunk has 256 blocks, so it ends near row 2,560, and others follow. */
export const rows = 8_000;
/** Rows that lie in the first, a middle and the last chunk. */
export const [early, middle, late] = [10, 4_000, 7_990] as const;

/** Columns with a meaning of their own in a test come from `columns`; they are filled by `values`, from `i`. */
export function tables(columns = '', values = ''): string {
  return `
    create table t (
      id int primary key,
      code text,
      n int not null default 0,
      pad text default repeat('x', 700)${columns === '' ? '' : `,\n${columns}`}
    );
    create table mirror (like t including all);
    insert into t select i, 'c' || i, i, repeat('x', 700)${values === '' ? '' : `, ${values}`} from generate_series(1, ${rows}) as i;
    insert into mirror select * from t`;
}

export const change: ChangeInput = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
/** Several chunks, one after the other. */
export const settings = { workers: 1, chunkTimeMs: 10 } as const;

export interface At {
  readonly point: Point;
  /** Which time of several; 1 when not given. */
  readonly nth?: number;
  /** Instead of `nth`: the first time that this is so. */
  readonly when?: (app: App) => Promise<boolean>;
}

export interface Moment {
  readonly at: At;
  /** Awaited by the run. */
  readonly act: (app: App, db: TestDatabase) => Promise<unknown>;
}

export interface Race extends Moment {
  /** The two tables, as `tables` makes them when not given. */
  readonly setup?: string;
  /** Before the run; for what cannot be in one message with the setup (VACUUM). */
  readonly before?: (app: App, db: TestDatabase) => Promise<unknown>;
  readonly change?: ChangeInput;
  /** Further moments of the same run. */
  readonly also?: readonly Moment[];
  readonly settings?: MigrateOptions['settings'];
  readonly onEvent?: (event: MigrationEvent) => void;
  /** What the table must hold, as a SELECT; the mirror's rows when not given. */
  readonly expected?: string;
  readonly finalCheck?: (db: TestDatabase, run: Recorded) => Promise<void> | void;
}

/**
 * So much in the log that the first batch meets none of the rows in question, the second those of the first blocks and of the
 * middle, a later one the last: whoever applies the second finds rows whose turn has not come. A batch that finds nothing
 * makes the next twice as large, so the first has up to 96 blocks of 226 entries, the second 192.
 */
export function backlogAt(point: Point): Moment {
  return {
    at: { point },
    act: async (app) => {
      const others = async (times: number): Promise<unknown> =>
        app.query(`do $$ begin for time in 1 .. ${times} loop
          update public.t set n = n where id between 5001 and 6000;
        end loop; end $$`);
      // Short rows: it is the log that has to be long.
      await app.both(`update $T set pad = '' where id between 5001 and 6000`);
      await others(24);
      await app.both('update $T set n = n + 1 where id <= 200 or id between 4000 and 4200');
      await others(46);
      await app.both('update $T set n = n + 1 where id > 7800');
    },
  };
}

/** Between two batches of a backlog: some of it is applied, and a lot is not. */
export function betweenBatches(): At {
  const peaks = new WeakMap<App, number>();
  return {
    point: 'batch-applied',
    when: async (app) => {
      const left = await app.logged();
      const peak = Math.max(peaks.get(app) ?? 0, left);
      peaks.set(app, peak);
      return left < peak && left > 2_000;
    },
  };
}

/** The application: a session of its own, and others that wait for locks. */
export class App {
  readonly #waiting: Promise<unknown>[] = [];

  private constructor(
    readonly db: TestDatabase,
    readonly client: pg.Client,
  ) {}

  static async connect(db: TestDatabase, url?: string): Promise<App> {
    return new App(db, await db.connect(url));
  }

  async query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    return (await this.client.query<Row>(text)).rows;
  }

  /** One transaction; what names `$T` is run on the table and then on the mirror. */
  async both(...statements: readonly string[]): Promise<void> {
    await mirrored(this.client, ...statements);
  }

  /** As `both`, in a session of its own that has to wait for a lock. Returns as soon as it waits. */
  async later(...statements: readonly string[]): Promise<void> {
    await this.laterSql(bothSql(statements));
  }

  async laterSql(text: string): Promise<void> {
    const client = await this.db.connect();
    const { rows: me } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    let ended = false;
    const done = client.query(text).finally(() => (ended = true));
    // Looked at by `settled`; until then a failure is not unhandled.
    done.catch(() => {});
    this.#waiting.push(done);
    await until(() => ended || this.waits(me[0]?.pid ?? 0), { what: `a lock wait of: ${text}` });
    // It must not be through: the test would prove nothing.
    if (ended) throw new Error(`did not have to wait: ${text}`);
  }

  async waits(pid: number): Promise<boolean> {
    const [found] = await this.query<{ waits: boolean }>(
      `select exists (select from pg_locks where pid = ${pid} and not granted) as waits`,
    );
    return found?.waits === true;
  }

  /** All that `later` began is done, without an error. */
  async settled(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  /** Where a row of the table lies. */
  async block(id: number): Promise<number> {
    const [row] = await this.query<{ block: number }>(
      `select split_part(trim(ctid::text, '()'), ',', 1)::int as block from public.t where id = ${id}`,
    );
    return row?.block ?? -1;
  }

  /** Block behind the last that is copied and committed. */
  async copiedTo(): Promise<number> {
    const [chunk] = await this.query<{ to: number }>(
      `select coalesce(max(to_block), 0)::int as to from ghost.chunks`,
    );
    return chunk?.to ?? 0;
  }

  /** Entries in the log that are not applied. */
  async logged(): Promise<number> {
    return (
      (await this.count('ghost.pending_1')) +
      (await this.count('ghost.log_1')) +
      (await this.count('ghost.log_b_1'))
    );
  }

  async count(from: string): Promise<number> {
    const [row] = await this.query<{ n: number }>(`select count(*)::int as n from ${from}`);
    return row?.n ?? -1;
  }
}

/** As `App.both`, in any session. */
export async function mirrored(client: pg.Client, ...statements: readonly string[]): Promise<void> {
  await client.query(bothSql(statements));
}

function bothSql(statements: readonly string[]): string {
  const all = statements.flatMap((statement) =>
    statement.includes('$T')
      ? [statement.replaceAll('$T', 'public.t'), statement.replaceAll('$T', 'public.mirror')]
      : [statement],
  );
  return ['begin', ...all, 'commit'].join(';\n');
}

/** Runs the change on a database of its own, with the race in it, and compares with the mirror. */
export async function expectNothingLost(options: Race): Promise<void> {
  await using db = await createDatabase(options.setup ?? tables());
  const app = await App.connect(db);
  await options.before?.(app, db);
  const moments = [options, ...(options.also ?? [])];
  const run = await raceOn(db, app, moments, options);
  await app.settled();
  await expectMirrored(db, options.expected);
  await options.finalCheck?.(db, run);
}

/** The run alone, on a database that the test has made. */
export async function raceOn(
  db: TestDatabase,
  app: App,
  moments: readonly Moment[],
  options: Pick<Race, 'change' | 'settings' | 'onEvent'> = {},
): Promise<Recorded> {
  const times = new Map<Point, number>();
  const happened = new Set<Moment>();
  const { onEvent } = options;
  const run = await runChange(db, options.change ?? change, {
    settings: { ...settings, ...options.settings },
    ...(onEvent === undefined ? {} : { onEvent }),
    onPoint: async (point) => {
      const nth = (times.get(point) ?? 0) + 1;
      times.set(point, nth);
      for (const moment of moments) {
        if (moment.at.point !== point || happened.has(moment)) continue;
        const { when } = moment.at;
        if (when === undefined ? (moment.at.nth ?? 1) !== nth : !(await when(app))) continue;
        happened.add(moment);
        // An error of the application's must not look like one of the program's own.
        await moment.act(app, db).catch((cause: unknown) => {
          throw new Error(`the application failed at ${point} ${nth}: ${String(cause)}`, { cause });
        });
      }
    },
  });
  const missed = moments.filter((moment) => !happened.has(moment)).map(({ at }) => at);
  expect(missed, 'points that the run never came to').toEqual([]);
  return run;
}

/** The new table is in place, has every write and nothing else, and nothing of ours is left on it. */
export async function expectMirrored(
  db: TestDatabase,
  expected = 'select * from public.mirror',
): Promise<void> {
  const client = await db.connect();
  expect(await differences(client, 'select * from public.t', expected)).toEqual([]);
  const { rows: left } = await client.query(
    `select tgname from pg_trigger where tgrelid = 'public.t'::regclass and tgname like 'ghost%'`,
  );
  expect(left).toEqual([]);
  // Under whatever number: of two that begin at the same moment the one that takes the table may have the second.
  const { rows: kept } = await client.query(
    `select from pg_class where relname = 't' and starts_with(relnamespace::regnamespace::text, 'ghost_old_')`,
  );
  expect(kept).toHaveLength(1);
  await client.end();
}

/** Leaves free space in these rows' blocks and nowhere else: the next updates of other rows then go there. */
export async function makeRoom(app: App, from: number, to: number): Promise<void> {
  // An INSERT of many rows extends the table by more than it needs (16 and later).
  await app.query('vacuum full public.t');
  await app.query('create extension if not exists pg_freespacemap');
  await app.both(`delete from $T where id between ${from} and ${to}`);
  await until(
    async () => {
      // Without cleaning the indexes it leaves a few dead rows, and their space, where they are.
      await app.query('vacuum (index_cleanup on) public.t');
      return await app.count(`pg_freespace('public.t') where avail > 4000`);
    },
    // A snapshot of this database that is older (autovacuum's) keeps it from doing so.
    { what: 'VACUUM makes room' },
  );
}
