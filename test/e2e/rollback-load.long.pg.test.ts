/**
 * There and back under load: writers do everything an application may do, each write mirrored in the same transaction. After each turn
 * the table in use holds exactly what the mirror holds, and no writer has seen an error.
 */
import { describe, expect, test } from 'vitest';
import { rollback, rollforward, sync } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure, swapChange, type ChangeInput } from '../support/migration.js';
import { fillStatement, runWriter, workloadSetup } from '../support/workload.js';

const writers = 3;

interface Case {
  readonly name: string;
  readonly change: Omit<ChangeInput, 'table'>;
  /** Before it. */
  readonly setup?: string;
  /** What the table has beside what the mirror has; of each shape. */
  readonly before: string;
  readonly after: string;
}

const plain = 'id, code, slot, total, note';
/** The writers name these, so they stay what they are called. */
const cases: readonly Case[] = [
  {
    name: 'another type of the key and of a column, one added',
    change: {
      alter: [
        'ALTER COLUMN id TYPE bigint, ALTER COLUMN total TYPE numeric(20,4), ADD COLUMN extra int DEFAULT 7',
      ],
    },
    before: plain,
    after: 'id::bigint, code, slot, total::numeric(20,4), note, 7',
  },
  {
    name: 'a column renamed, one dropped, one computed',
    setup: `alter table orders add column gone int default 1, add column kind text default 'a'`,
    change: {
      alter: ['RENAME COLUMN kind TO sort', 'DROP COLUMN gone', 'ALTER COLUMN id TYPE bigint'],
      set: [{ column: 'total', expression: 'total + 0' }],
      reverse: [{ column: 'total', expression: 'total + 0' }],
    },
    before: `${plain}, 1, 'a'`,
    after: `id::bigint, code, slot, total, note, 'a'`,
  },
];

async function written(db: TestDatabase): Promise<number> {
  const { rows } = await db.query<{ n: string }>(
    `select n_tup_ins + n_tup_upd + n_tup_del as n from pg_stat_user_tables where relname = 'mirror'`,
  );
  return Number(rows[0]?.n);
}

async function busy(db: TestDatabase): Promise<void> {
  const before = await written(db);
  await until(async () => (await written(db)) > before + 300, { what: 'writers at work' });
}

describe('there and back, and forward again', { timeout: 180_000 }, () => {
  for (const [index, { name, change, setup = '', before, after }] of cases.entries()) {
    test(name, async () => {
      await using db = await createDatabase(`${workloadSetup} ${fillStatement(writers)} ${setup}`);
      const stop = new AbortController();
      const seed = 80_000 + index;
      const connection = { url: db.url };
      const settings = { cutoverDeadlineMs: 60_000 };
      const work = Promise.all(
        Array.from({ length: writers }, (_, writer) => runWriter(db, writer, seed, stop.signal)),
      );
      const client = await db.connect();
      /** In one snapshot, while they write. */
      const expectMirrored = async (columns: string, when: string): Promise<void> => {
        await client.query('begin isolation level repeatable read');
        expect(
          await differences(client, 'select * from orders', `select ${columns} from mirror`),
          `${when}, seed ${seed}`,
        ).toEqual([]);
        await client.query('commit');
      };
      try {
        await busy(db);
        await swapChange(db, { table: 'orders', ...change });
        await busy(db);
        await rollback({ connection, settings }, 1);
        await expectMirrored(before, 'after a rollback');
        await busy(db);
        await rollforward({ connection, settings }, 1);
        await expectMirrored(after, 'forward again');
        const syncing = new AbortController();
        const synced = failure(sync({ connection, settings, signal: syncing.signal }, 1, { follow: true }));
        await busy(db);
        await busy(db);
        syncing.abort();
        expect(await synced).toMatchObject({ code: 'interrupted' });
        await busy(db);
        await rollback({ connection, settings }, 1);
        await expectMirrored(before, 'after a sync and a rollback');
        await busy(db);
      } finally {
        stop.abort();
      }
      const reports = await work;
      expect(
        reports.flatMap((report) => report.errors.map((error) => error.message)),
        `seed ${seed}`,
      ).toEqual([]);
      await expectMirrored(before, 'at the end');
    });
  }
});
