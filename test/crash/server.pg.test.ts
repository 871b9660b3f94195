/**
 * The promise: a server that crashes costs the run the time until it is back, and nothing else. In each phase the server
 * is stopped without a checkpoint (SIGQUIT) and started again; the run, which only lost its connections, goes on by itself
 * to the end. Whatever the application was told is committed is there, and the catalog is what the native ALTER leaves.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/lab/embedded-server.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import type { Point } from '../../src/run/points.js';
import type { CatalogSnapshot } from '../support/catalog-snapshot.js';
import { type TestDatabase, until } from '../support/database.js';
import { runChange } from '../support/migration.js';
import { runWriter } from '../support/workload.js';
import { OwnDatabase } from './own-database.js';
import { change, expectMigrated, expectSwapped, muchWriting, settings, setup, snapshot } from './shop.js';

/** One or two of each phase. */
const points: Point[] = [
  'capture-on',
  'chunk-read',
  'chunk-copied',
  'log-switched',
  'log-compacted',
  'purged',
  'index-built',
  'batch-applied',
  'settled',
  'range-verified',
  'cutover-ready',
  'cutover-drained',
  'swapped',
  'leftovers-removed',
];

let server: EmbeddedServer;
let native: CatalogSnapshot;

beforeAll(async () => {
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    // The machine does not crash, so what was written is there; whether WAL was written in time is what counts.
    settings: { fsync: 'off', log_min_messages: 'fatal', wal_level: 'logical' },
  });
  const original = await OwnDatabase.create(server, 'original');
  await original.run(setup);
  await using clone = await OwnDatabase.create(server, 'native', 'original');
  await clone.run(`${nativeAlter}; alter sequence orders_id_seq as bigint`);
  native = await snapshot(await clone.connect());
});
afterAll(async () => {
  await server?.stop({ immediate: true });
});

const nativeAlter = `alter table orders ${change.alter?.join(', ')}`;

describe('the server crashes', { timeout: 120_000 }, () => {
  for (const [index, point] of points.entries()) {
    test(`at ${point}`, async () => {
      await using own = await OwnDatabase.create(server, `crash_${index}`, 'original');
      const db = own as unknown as TestDatabase;
      // Each with rows of its own; the first dies with the server, its last commit unanswered.
      const stop = new AbortController();
      const before = runWriter(db, 1, 60_000 + index, stop.signal);
      let after: typeof before | undefined;
      const acknowledged = (value: string): Promise<unknown> =>
        own.run(
          ['orders', 'mirror'].map((table) => `update ${table} set note = '${value}' where id = 5`).join(';'),
        );
      let crashes = 0;
      let writing: Promise<unknown> | undefined;
      try {
        const { result, events } = await runChange(db, change, {
          settings,
          onPoint: async (reached) => {
            if (point.startsWith('log-') && reached === 'chunk-copied' && crashes === 0) {
              // The log is left alone before it is long; and the copy is not to end before.
              writing ??= own.run(muchWriting);
              await writing;
              await until(() => crashes > 0, { what: point });
            }
            if (reached !== point || crashes > 0) return;
            crashes += 1;
            // Those that hold locks which the application waits for are not waited for.
            if (point !== 'cutover-drained') await acknowledged(`before ${point}`);
            await server.restart({ immediate: true });
            after = runWriter(db, 2, 61_000 + index, stop.signal);
          },
        });
        expectSwapped(result);
        expect(crashes).toBe(1);
        const retries = events.map(({ event }) => event).filter((event) => event.startsWith('run:'));
        expect(retries).toEqual(['run:retrying', 'run:resumed']);
      } finally {
        stop.abort();
        await Promise.all([before.catch(() => undefined), after]);
      }
      expect((await after)?.errors).toEqual([]);
      const { rows } = await own.run('select note from orders where id = 5');
      expect(rows).toEqual(point === 'cutover-drained' ? [{ note: 'start' }] : [{ note: `before ${point}` }]);
      await expectMigrated(own, native);
    });
  }
});
