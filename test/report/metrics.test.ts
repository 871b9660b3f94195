import fc from 'fast-check';
import { register } from 'prom-client';
import { expect, test } from 'vitest';
import type { EventMap } from '../../src/model/event.js';
import { metricsReporter, type MetricsReporter } from '../../src/report/metrics.js';
import { copying, event, started } from './events.js';

const labels = '{migration="7",table="public.orders"}';

function reporter(...events: Parameters<MetricsReporter['listener']>[0][]): MetricsReporter {
  const made = metricsReporter();
  events.forEach((each) => made.listener(each));
  return made;
}

/** The samples that are not 0, by name and labels. */
async function samples(metrics: MetricsReporter): Promise<Record<string, number>> {
  const text = await metrics.text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at).replaceAll(/(migration|table)="[^"]*",?/g, ''), Number(line.slice(at + 1))];
    }),
  );
}

const verifying = { rowsTotal: null, rowsPerSecond: null, etaSeconds: null, workers: 2, pieceMs: 90 };
const lock: EventMap['lock:taken'] = {
  what: 'the swap',
  attempt: 1,
  table: 'public.orders',
  mode: 'ACCESS EXCLUSIVE',
  waitedMs: 20,
  heldMs: 3,
  blocked: 2,
  blockedMs: 30,
  outcome: 'committed',
};
const applied = (keysApplied: number, batch: number, backlog = 0) =>
  event('apply:progress', {
    backlog,
    keysApplied,
    keysPerSecond: batch === 0 ? null : (batch * 1000) / 70,
    batchMs: 70,
  });

test('before anything has happened there is no figure', async () => {
  expect(await samples(metricsReporter())).toEqual({});
});

test('names, help, types and labels as Prometheus reads them', async () => {
  const metrics = reporter(started, event('copy:progress', copying));
  expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await metrics.text();
  expect(text).toContain(
    `# HELP pg_ghost_blocks_done Blocks of the source that were copied.\n# TYPE pg_ghost_blocks_done gauge\npg_ghost_blocks_done${labels} 520\n`,
  );
  expect(text).toContain(
    `# TYPE pg_ghost_rows_copied_total counter\npg_ghost_rows_copied_total${labels} 1560000\n`,
  );
  expect(text).toContain('# TYPE pg_ghost_chunk_seconds histogram\n');
  expect(text).toContain('pg_ghost_chunk_seconds_bucket{le="0.5",migration="7",table="public.orders"} 1\n');
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => `${name} ${kind}`);
  expect(kinds).toEqual([
    'pg_ghost_phase gauge',
    'pg_ghost_blocks_done gauge',
    'pg_ghost_blocks_total gauge',
    'pg_ghost_rows_copied_total counter',
    'pg_ghost_backlog_keys gauge',
    'pg_ghost_keys_applied_total counter',
    'pg_ghost_rows_verified_total counter',
    'pg_ghost_differences gauge',
    'pg_ghost_chunk_seconds histogram',
    'pg_ghost_lock_tries_total counter',
    'pg_ghost_lock_hold_seconds histogram',
    'pg_ghost_throttled gauge',
    'pg_ghost_slot_retained_bytes gauge',
    'pg_ghost_slot_unread_bytes gauge',
    'pg_ghost_connection_lost_total counter',
    'pg_ghost_finished gauge',
  ]);
});

test('what the slot keeps, until it is lost or gone with the swap', async () => {
  const slot = { slot: 'ghost_7', walStatus: 'reserved', safeBytes: null } as const;
  const kept = { ...slot, retainedBytes: 5000, unreadBytes: 10 };
  const figures = async (...events: Parameters<typeof reporter>): Promise<unknown> =>
    Object.entries(await samples(reporter(started, ...events))).filter(([name]) => name.includes('slot'));
  expect(await figures(event('slot:progress', kept))).toEqual([
    ['pg_ghost_slot_retained_bytes{}', 5000],
    ['pg_ghost_slot_unread_bytes{}', 10],
  ]);
  const lost = { ...slot, walStatus: 'lost', retainedBytes: null, unreadBytes: null } as const;
  expect(await figures(event('slot:progress', kept), event('slot:progress', lost))).toEqual([]);
  const swapped = event('cutover:done', { attempts: 1, holdMs: 3, captureMs: 0, drainedKeys: 0 });
  expect(await figures(event('slot:progress', kept), swapped)).toEqual([]);
});

test('they are not in the registry of the whole process', async () => {
  reporter(started);
  reporter(started);
  expect(await register.getMetricsAsJSON()).toEqual([]);
});

test('one phase is the current one', async () => {
  const metrics = reporter(started, event('phase:started', { phase: 'copy' }));
  const current = async (): Promise<string[]> =>
    Object.entries(await samples(metrics)).flatMap(([name, value]) =>
      name.startsWith('pg_ghost_phase') && value === 1 ? [name] : [],
    );
  expect(await current()).toEqual(['pg_ghost_phase{phase="copy"}']);
  metrics.listener(event('phase:started', { phase: 'purge' }));
  expect(await current()).toEqual(['pg_ghost_phase{phase="purge"}']);
  metrics.listener(event('copy:restarted', { why: 'TRUNCATE' }));
  expect(await current()).toEqual(['pg_ghost_phase{phase="copy"}']);
});

test('a copy that starts again counts from 0', async () => {
  const metrics = reporter(
    started,
    event('copy:progress', copying),
    event('verify:progress', { ...verifying, rowsDone: 10, differences: 1 }),
    event('copy:restarted', { why: 'TRUNCATE' }),
  );
  const restarted = await samples(metrics);
  expect(restarted).toMatchObject({
    'pg_ghost_blocks_done{}': 0,
    'pg_ghost_rows_copied_total{}': 0,
    'pg_ghost_chunk_seconds_count{}': 1,
  });
  expect(Object.keys(restarted)).not.toContain('pg_ghost_differences{}');
  metrics.listener(event('copy:progress', { ...copying, blocksDone: 3, blocksTotal: 8, rowsCopied: 21 }));
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_blocks_done{}': 3,
    'pg_ghost_blocks_total{}': 8,
    'pg_ghost_rows_copied_total{}': 21,
    'pg_ghost_chunk_seconds_count{}': 2,
  });
});

test('a run that connects again goes on with its figures', async () => {
  const metrics = reporter(
    started,
    event('copy:progress', copying),
    applied(100, 100, 12),
    event('throttle', { kind: 'pause', reasons: [{ signal: 'lag', text: 'lag' }] }),
    event('run:retrying', { message: 'gone', forSeconds: 600 }),
  );
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_connection_lost_total{}': 1,
    'pg_ghost_throttled{signal="lag"}': 0,
  });
  metrics.listener(event('run:resumed', { attempts: 3, seconds: 9, phase: 'copy' }));
  metrics.listener(
    event('migration:started', {
      table: 'public.orders',
      shadow: 'ghost_new_7.orders',
      fresh: false,
      phase: 'copy',
    }),
  );
  // Half of what was copied is counted again by the new attempt, as the state has it.
  metrics.listener(event('copy:progress', { ...copying, rowsCopied: 1_570_000 }));
  metrics.listener(applied(30, 30));
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_connection_lost_total{}': 1,
    'pg_ghost_rows_copied_total{}': 1_570_000,
    'pg_ghost_keys_applied_total{}': 130,
    'pg_ghost_backlog_keys{}': 0,
    'pg_ghost_phase{phase="copy"}': 1,
    'pg_ghost_finished{}': 0,
  });
});

test('keys are summed up over every apply that begins at 0', async () => {
  await fc.assert(
    fc.asyncProperty(
      // One apply after the other, each a list of batches.
      fc.array(fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 8 }), { maxLength: 6 }),
      async (applies) => {
        const metrics = reporter(started);
        for (const batches of applies) {
          let keys = 0;
          for (const batch of batches) metrics.listener(applied((keys += batch), batch));
        }
        const sum = applies.flat().reduce((total, batch) => total + batch, 0);
        expect((await samples(metrics))['pg_ghost_keys_applied_total{}']).toBe(sum);
      },
    ),
    { numRuns: 100 },
  );
});

test('verification begins again from 0', async () => {
  const metrics = reporter(
    started,
    event('verify:progress', { ...verifying, rowsDone: 500, differences: 2 }),
    event('phase:started', { phase: 'verify' }),
  );
  expect(Object.keys(await samples(metrics))).not.toContain('pg_ghost_rows_verified_total{}');
  metrics.listener(event('verify:progress', { ...verifying, rowsDone: 40, differences: 0 }));
  metrics.listener(event('verify:done', { mode: 'full', rows: 90, differences: 0, leftOut: [], seconds: 1 }));
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_rows_verified_total{}': 90,
    'pg_ghost_differences{}': 0,
  });
});

test('a try is counted once, whatever the number of its tables, and each hold is measured', async () => {
  const metrics = reporter(
    started,
    event('lock:taken', { ...lock, heldMs: 0, outcome: 'missed' }),
    event('lock:taken', { ...lock, attempt: 2 }),
    event('lock:taken', { ...lock, attempt: 2, table: 'public.customers', heldMs: 5 }),
    event('lock:taken', { ...lock, what: 'its foreign keys', attempt: 1 }),
    // Another request with the same words and number.
    event('lock:taken', { ...lock, what: 'its foreign keys', attempt: 1 }),
  );
  const found = await samples(metrics);
  expect(found).toMatchObject({ 'pg_ghost_lock_tries_total{}': 4, 'pg_ghost_lock_hold_seconds_count{}': 4 });
  expect(found['pg_ghost_lock_hold_seconds_sum{}']).toBeCloseTo(0.014, 6);
});

test('what holds up the work', async () => {
  const metrics = reporter(
    started,
    event('throttle', {
      kind: 'pause',
      reasons: [
        { signal: 'lag', text: 'a' },
        { signal: 'active', text: 'b' },
      ],
    }),
    event('throttle', { kind: 'stop', reasons: [{ signal: 'active', text: 'b' }] }),
  );
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_throttled{signal="lag"}': 0,
    'pg_ghost_throttled{signal="active"}': 1,
  });
  metrics.listener(event('throttle', { kind: 'go', reasons: [] }));
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_throttled{signal="lag"}': 0,
    'pg_ghost_throttled{signal="active"}': 0,
  });
});

const result = { table: 'public.orders', rows: 3, seconds: 1, holdMs: 3 };

test('the end', async () => {
  const metrics = reporter(
    started,
    applied(5, 5, 7),
    event('cutover:done', { attempts: 1, holdMs: 3, captureMs: 0, drainedKeys: 7 }),
    event('migration:done', { ...result, old: 'ghost_old_7.orders', native: false }),
  );
  expect(await samples(metrics)).toMatchObject({
    'pg_ghost_finished{}': 1,
    'pg_ghost_backlog_keys{}': 0,
    'pg_ghost_phase{phase="swapped"}': 1,
    'pg_ghost_phase{phase="prepare"}': 0,
  });
});

test('a native change has no migration', async () => {
  const metrics = reporter(
    event('lock:taken', lock, { id: null }),
    event('native:done', { holdMs: 3 }, { id: null }),
    event('migration:done', { ...result, old: null, native: true }, { id: null }),
  );
  const text = await metrics.text();
  expect(text).toContain('pg_ghost_finished{migration="",table="public.orders"} 1\n');
  expect(text).toContain('pg_ghost_lock_tries_total{migration="",table="public.orders"} 1\n');
  expect(text).not.toContain('pg_ghost_phase{');
});

test('an event that it does not know', async () => {
  const metrics = reporter(started);
  const before = await metrics.text();
  metrics.listener({ ...started, event: 'later:invented' } as never);
  expect(await metrics.text()).toBe(before);
});
