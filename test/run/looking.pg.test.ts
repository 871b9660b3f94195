/**
 * A log that collects has each key about once: a write looks whether its key is there. Whoever brings keys to the table that is kept takes
 * them out, so no write may rely on an entry that is taken out behind its back, whatever kind of transaction it is in.
 */
import { describe, expect, test } from 'vitest';
import { rollback, sync, type RunSettings } from '../../src/index.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { failure, swapChange } from '../support/migration.js';

const setup = `
  create table orders (id int primary key, note text);
  insert into orders select n, 'before' from generate_series(1, 1000) as n;`;
const change = { table: 'orders', alter: ['alter column id type bigint'] };
const settings: Partial<RunSettings> = { cutoverDeadlineMs: 30_000 };

async function swapped(): Promise<TestDatabase> {
  const db = await createDatabase(setup);
  try {
    await swapChange(db, change);
    await db.query(`update orders set note = 'logged' where id = 5`);
    return db;
  } catch (error) {
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

async function noteOf5(db: TestDatabase): Promise<unknown> {
  return (await db.query('select note from orders where id = 5')).rows[0]?.['note'];
}

async function entries(db: TestDatabase): Promise<number> {
  const { rows } = await db.query<{ n: number }>('select count(*)::int as n from ghost.log_1_back');
  return rows[0]?.n ?? -1;
}

/** Somebody waits for a transaction that has looked. */
async function isWaiting(db: TestDatabase): Promise<void> {
  await until(
    async () =>
      !(
        await db.query<{ text: string }>(
          `select prosrc as text from pg_proc where proname = 'capture_1_back'`,
        )
      ).rows[0]?.text.includes('not exists'),
    { what: 'writes that do not look any more' },
  );
}

test('a key is in the log once, however often it is written', async () => {
  await using db = await swapped();
  for (let round = 0; round < 100; round += 1)
    await db.query('update orders set note = note where id <= 1000');
  expect(await entries(db)).toBe(1000);
  const { rows } = await db.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(oid))::int as bytes from pg_class
     where relnamespace = 'ghost'::regnamespace and relname ~ '^(log|pending)_' and relkind = 'r'`,
  );
  expect(rows[0]?.bytes).toBeLessThan(500_000);
  // Twice: each looks again when it has ended.
  for (let round = 0; round < 2; round += 1) {
    expect(await sync({ connection: { url: db.url }, settings }, 1)).toMatchObject({ keys: 1000 });
    expect(await entries(db)).toBe(0);
    for (let writes = 0; writes < 3; writes += 1) await db.query('update orders set note = note');
    expect(await entries(db)).toBe(1000);
  }
});

describe('a transaction that has looked is waited for', () => {
  test('however it ends', async () => {
    await using db = await swapped();
    const writer = await db.connect();
    await writer.query(
      `begin; savepoint s; update orders set note = 'taken back' where id = 6; rollback to s`,
    );
    await writer.query(`update orders set note = 'late' where id = 5`);
    const synced = sync({ connection: { url: db.url }, settings }, 1);
    await isWaiting(db);
    await writer.query('commit');
    await synced;
    await rollback({ connection: { url: db.url }, settings }, 1);
    expect(await noteOf5(db)).toBe('late');
  });

  test('also when it is prepared meanwhile, and committed later', async () => {
    await using db = await swapped();
    const writer = await db.connect();
    await writer.query(`begin; update orders set note = 'late' where id = 5`);
    const told: string[] = [];
    const synced = sync(
      { connection: { url: db.url }, settings, onEvent: ({ event }) => void told.push(event) },
      1,
    );
    await isWaiting(db);
    await writer.query(`prepare transaction '${db.name}'`);
    await until(() => told.includes('lock:missed') || told.includes('sync:done'), {
      what: 'the wait, or its end',
    });
    expect(told).not.toContain('sync:done');
    await db.query(`commit prepared '${db.name}'`);
    await synced;
    await rollback({ connection: { url: db.url }, settings }, 1);
    expect(await noteOf5(db)).toBe('late');
  });

  test('or the deadline is over: nothing was done, and it is said who it is', async () => {
    await using db = await swapped();
    const writer = await db.connect();
    await writer.query(`begin; update orders set note = 'late' where id = 5`);
    const error = await failure(
      rollback({ connection: { url: db.url }, settings: { cutoverDeadlineMs: 1_000 } }, 1),
    );
    expect(error).toMatchObject({ code: 'open-transactions', exitCode: 5 });
    expect(error.message).toContain('idle in transaction');
    await writer.query('commit');
    // It looks again.
    await db.query(`update orders set note = note`);
    expect(await entries(db)).toBe(1000);
    await rollback({ connection: { url: db.url }, settings }, 1);
    expect(await noteOf5(db)).toBe('late');
  });
});

for (const level of ['repeatable read', 'serializable']) {
  test(`${level}: an old snapshot has entries in it that were taken out since`, async () => {
    await using db = await swapped();
    const writer = await db.connect();
    await writer.query(`begin isolation level ${level}; select from pg_class limit 1`);
    await sync({ connection: { url: db.url }, settings }, 1);
    await writer.query(`update orders set note = 'late' where id = 5; commit`);
    expect(await entries(db)).toBe(1);
    await rollback({ connection: { url: db.url }, settings }, 1);
    expect(await noteOf5(db)).toBe('late');
  });

  test(`${level}: a snapshot of today looks`, async () => {
    await using db = await swapped();
    await sync({ connection: { url: db.url }, settings }, 1);
    for (let round = 0; round < 3; round += 1)
      await db.query(`begin isolation level ${level}; update orders set note = note where id = 5; commit`);
    expect(await entries(db)).toBe(1);
  });
}

test('a runner that was taken over does not make writes look again under the next one', async () => {
  await using db = await swapped();
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  let isHeld = false;
  const first = failure(
    rollback(
      {
        connection: { url: db.url },
        settings: { ...settings, retryForMs: 0 },
        onPoint: async (point) => {
          if (point !== 'settled') return;
          isHeld = true;
          await held;
        },
      },
      1,
    ),
  );
  await until(() => isHeld, { what: 'the first runner' });
  const writer = await db.connect();
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
  );
  await until(
    async () =>
      (
        await db.query(
          `select from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
        )
      ).rows.length === 0,
    { what: 'its backends to be gone' },
  );
  let late = false;
  await rollback(
    {
      connection: { url: db.url },
      settings,
      onPoint: async (point) => {
        // Nobody applies at this moment.
        if (point === 'settled') {
          goOn();
          expect(await first).toMatchObject({ exitCode: 1 });
          await db.query(`update orders set note = 'logged again' where id = 5`);
          await writer.query(`begin; update orders set note = 'late' where id = 5`);
        }
        // What is in the log was applied, and the next thing is the lock.
        if (point === 'cutover-ready' && !late) {
          late = true;
          await writer.query('commit');
        }
      },
    },
    1,
  );
  expect(await noteOf5(db)).toBe('late');
});
