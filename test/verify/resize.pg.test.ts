/** Another number of workers, or another size of pieces, counts in the verification that is under way; no row is left out. */
import { describe, expect, test } from 'vitest';
import { pause, set, unpause, type MigrationEvent, type RunSettings } from '../../src/index.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure, runChange, type ChangeInput, type Recorded } from '../support/migration.js';

const rows = 30_000;
const setup = `create table t (id int primary key, v text, pad text default repeat('x', 300));
  insert into t (id, v) select i, 'v' || i from generate_series(1, ${rows}) as i`;

type Progress = Extract<MigrationEvent, { event: 'verify:progress' }>;

/** A run whose verification is held after each piece until it is let go. */
class HeldRun {
  readonly ended: Promise<Recorded>;
  readonly #events: MigrationEvent[] = [];
  #held: (() => void)[] = [];
  #isHolding = true;

  constructor(db: TestDatabase, change: ChangeInput, settings: Partial<RunSettings>, corrupt?: string) {
    this.ended = runChange(db, change, {
      settings: { chunkTimeMs: 10, ...settings },
      onEvent: (event) => this.#events.push(event),
      onPoint: async (point) => {
        if (point === 'settled' && corrupt !== undefined) await db.query(corrupt);
        if (point === 'range-verified' && this.#isHolding)
          await new Promise<void>((resolve) => this.#held.push(resolve));
      },
    });
    this.ended.catch(() => {});
  }

  get progress(): Progress[] {
    return this.#events.filter((event): event is Progress => event.event === 'verify:progress');
  }

  /** Waits until so many workers have compared a piece and are held. */
  async held(count: number): Promise<void> {
    await until(() => this.#held.length === count, { what: `${count} workers with a piece done` });
  }

  /** Lets each of them go on; they are held again after their next piece. */
  step(): void {
    for (const letGo of this.#held.splice(0)) letGo();
  }

  letGo(): void {
    this.#isHolding = false;
    this.step();
  }
}

async function sessions(db: TestDatabase): Promise<number> {
  const { rows: found } = await db.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity
     where datname = current_database() and application_name like 'pg-ghost 1 verify'`,
  );
  return found[0]?.n ?? -1;
}

describe.each([
  { pieces: 'ranges of the key', change: { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] } },
  // The order of `integer` and of `text` is not the same: rows are looked up by blocks, both ways.
  { pieces: 'blocks', change: { table: 't', alter: ['ALTER COLUMN id TYPE text'] } },
])('in pieces that are $pieces', ({ change }) => {
  test('more workers, fewer, and larger pieces: at once, and every row is compared once', async () => {
    await using db = await createDatabase(setup);
    const connection = { url: db.url };
    const run = new HeldRun(db, change, { workers: 1 });
    await run.held(1);
    expect(run.progress.at(-1)).toMatchObject({ workers: 1 });

    expect((await set({ connection }, 1, { workers: '3' })).said).toBe('workers is 3 now');
    run.step();
    await run.held(3);
    expect(await sessions(db)).toBe(3);
    expect(run.progress.at(-1)).toMatchObject({ workers: 3 });

    await set({ connection }, 1, { workers: '2', 'chunk-time': '20' });
    run.step();
    await run.held(2);
    // Who was too many has gone, the others have stayed.
    await until(async () => (await sessions(db)) === 2, { what: 'two sessions' });
    const beforeLast = run.progress.length;

    run.letGo();
    const { events } = await run.ended;
    expect(run.progress.length).toBeGreaterThan(beforeLast);
    expect(run.progress.at(-1)).toMatchObject({ workers: 2, rowsDone: rows });
    expect(events.find(({ event }) => event === 'verify:done')).toMatchObject({ rows, differences: 0 });
  });
});

test('what differs is found on either side of the change, by those who went and those who came', async () => {
  await using db = await createDatabase(setup);
  const run = new HeldRun(
    db,
    { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] },
    { workers: 1 },
    `update ghost_new_1.t set v = 'wrong' where id in (1, ${rows})`,
  );
  await run.held(1);
  expect(run.progress.at(-1)).toMatchObject({ differences: 1 });
  await set({ connection: { url: db.url } }, 1, { workers: '2' });
  run.letGo();
  const error = await failure(run.ended);
  expect(error).toMatchObject({ code: 'differences', exitCode: 4 });
  expect(error.message).toMatch(/id=1: v is 'wrong'/);
  expect(error.message).toMatch(new RegExp(`id=${rows}: v is 'wrong'`));
});

test('while it is paused nothing is compared by the new ones either', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  const run = new HeldRun(db, { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] }, { workers: 2 });
  await run.held(2);
  await pause({ connection }, 1);
  const before = run.progress.length;
  run.letGo();
  await set({ connection }, 1, { workers: '3' });
  await until(async () => (await sessions(db)) === 3, { what: 'three sessions' });
  expect(run.progress.length).toBe(before);
  await unpause({ connection }, 1);
  await run.ended;
  expect(run.progress.at(-1)).toMatchObject({ workers: 3, rowsDone: rows });
});

test('pieces of a few rows are not worth it, however slow they are', async () => {
  const few = 12_000;
  // A hundred rows take longer than the shortest chunk time.
  await using db = await createDatabase(`${setup};
    delete from t where id > ${few};
    create function slow(value text) returns text immutable language plpgsql as $$
      begin for i in 1..8000 loop end loop; return value; end $$`);
  let pieces = 0;
  await runChange(
    db,
    { table: 't', alter: ['ALTER COLUMN id TYPE bigint'], set: [{ column: 'v', expression: 'slow(v)' }] },
    {
      settings: { chunkTimeMs: 10 },
      onEvent: ({ event }) => {
        if (event === 'verify:progress') pieces += 1;
      },
    },
  );
  expect(pieces).toBeGreaterThan(50);
  expect(pieces).toBeLessThan(few / 90);
});
