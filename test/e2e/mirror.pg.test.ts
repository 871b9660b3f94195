/**
 * Under load: writers do everything an application may do, each write mirrored in the same transaction. Afterwards the new
 * table must hold exactly what the mirror holds, and no writer may have seen an error (invariants 2 to 5 and 9).
 */
import { differences } from '../../src/lab/proof.js';
import { describe, expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import { runChange } from '../support/migration.js';
import { fillStatement, runWriter, workloadSetup } from '../support/workload.js';

const writers = 4;

describe('nothing that was written is lost', () => {
  const cases = [
    { name: 'a plain rebuild', change: { rewrite: true }, expression: 'id, code, slot, total, note' },
    {
      name: 'key and value conversions',
      change: {
        alter: [
          'ALTER COLUMN id TYPE bigint, ALTER COLUMN total TYPE numeric(20,4), ADD COLUMN extra int DEFAULT 7',
        ],
      },
      expression: 'id::bigint, code, slot, total::numeric(20,4), note, 7',
    },
    {
      name: 'rows moved within their pages by fillfactor and order',
      change: { alter: ['SET (fillfactor = 50)', 'ALTER COLUMN slot TYPE bigint'] },
      expression: 'id, code, slot::bigint, total, note',
    },
  ];
  for (const [index, { name, change, expression }] of cases.entries()) {
    test(`${name}, ${writers} writers`, async () => {
      // Pages a tenth full: enough of them for many chunks.
      await using db = await createDatabase(
        `${workloadSetup} alter table orders set (fillfactor = 10); ${fillStatement(writers)}`,
      );
      const stop = new AbortController();
      const seed = 20_000 + index;
      const work = Promise.all(
        Array.from({ length: writers }, (_, writer) => runWriter(db, writer, seed, stop.signal)),
      );
      const written = async (): Promise<number> => {
        const { rows } = await db.query<{ n: string }>(
          `select n_tup_ins + n_tup_upd + n_tup_del as n from pg_stat_user_tables where relname = 'mirror'`,
        );
        return Number(rows[0]?.n);
      };
      const beforeCopy = await written();
      await until(async () => (await written()) > beforeCopy + 500, { what: 'writers at work' });
      let result;
      let chunks;
      try {
        // Small chunks, so that many writes fall between two of them.
        const options = { settings: { chunkTimeMs: 10 } };
        const run = await runChange(db, { table: 'orders', ...change }, options);
        ({ result } = run);
        chunks = run.events.filter(({ event }) => event === 'copy:progress').length;
        const atSwap = await written();
        await until(async () => (await written()) > atSwap + 500, {
          what: 'writers at work on the new table',
        });
      } finally {
        stop.abort();
      }
      const reports = await work;
      expect(
        reports.flatMap((report) => report.errors.map((error) => error.message)),
        `seed ${seed}`,
      ).toEqual([]);
      const client = await db.connect();
      expect(
        await differences(client, 'select * from orders', `select ${expression} from mirror`),
        `seed ${seed}`,
      ).toEqual([]);
      expect(result.native).toBe(false);
      expect(chunks).toBeGreaterThan(3);
      expect(reports.every((report) => report.transactions > 50)).toBe(true);
    });
  }
});
