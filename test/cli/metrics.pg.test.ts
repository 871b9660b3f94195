/** `--metrics-port`: what Prometheus reads of a run, and what becomes of the port. */
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import {
  change,
  finished,
  Process,
  temporaryFolder,
  underWrites,
  workload,
  patienceMs,
} from './processes.js';
import { Scraper } from './scraper.js';

describe.concurrent('--metrics-port', { timeout: patienceMs }, () => {
  test('scraped while the run goes on: phase, figures that grow, what holds it up, and then nobody is there', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const { url, password } = await db.createRole('superuser');
    const pauseFile = join(folder.path, 'pause');
    await writeFile(pauseFile, '');
    await underWrites(db, async () => {
      await using run = new Process(
        [
          'run',
          ...change,
          '--postpone-cutover',
          '--metrics-port=0',
          `--pause-file=${pauseFile}`,
          // Its last figures can be read while a hook runs.
          `--hook=done=until [ -e ${folder.path}/read ]; do sleep 0.05; done`,
        ],
        { url },
      );
      await run.says(/metrics: http:\/\/127\.0\.0\.1:\d+\/metrics\n/, 'stderr');
      const scraped = new Scraper(/http:\S+/.exec(run.stderr)?.[0] ?? '');

      // It was there before the run was: so it is told from the start what holds that up.
      await scraped.becomes('throttled', (value) => value === 1, { signal: 'pause-file' });
      await scraped.becomes('phase', (value) => value === 1, { phase: 'copy' });
      expect(await scraped.value('rows_copied_total')).toBeUndefined();
      await rm(pauseFile);
      await scraped.becomes('phase', (value) => value === 1, { phase: 'cutover' });
      expect(await scraped.value('throttled', { signal: 'pause-file' })).toBe(0);
      expect(await scraped.value('phase', { phase: 'copy' })).toBe(0);
      expect(await scraped.value('rows_copied_total')).toBeGreaterThan(1000);
      expect(await scraped.value('blocks_done')).toBe(await scraped.value('blocks_total'));
      expect(await scraped.value('chunk_seconds_count')).toBeGreaterThan(0);
      expect(await scraped.value('rows_verified_total')).toBeGreaterThan(1000);
      expect(await scraped.value('differences')).toBe(0);
      const applied = (await scraped.value('keys_applied_total')) ?? 0;
      await scraped.becomes('keys_applied_total', (value) => value > applied);

      await finished(['pause', '1'], db);
      await scraped.becomes('throttled', (value) => value === 1, { signal: 'manual' });
      await finished(['unpause', '1'], db);
      await scraped.becomes('throttled', (value) => value === 0, { signal: 'manual' });

      expect(await scraped.value('finished')).toBe(0);
      const tries = (await scraped.value('lock_tries_total')) ?? 0;
      await finished(['cutover', '1'], db);
      await scraped.becomes('finished', (value) => value === 1);
      expect(await scraped.value('lock_tries_total')).toBeGreaterThan(tries);
      expect(await scraped.value('phase', { phase: 'swapped' })).toBe(1);
      await writeFile(join(folder.path, 'read'), '');
      expect(await run.exitCode()).toBe(0);
      expect(scraped.seen).not.toContain(password);
      await expect(scraped.samples()).rejects.toThrow('fetch failed');
    });
  });

  test('a port that is in use ends it with 2, before anything is changed', async () => {
    await using db = await createDatabase(workload);
    const server = createServer().listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const run = await finished(['run', ...change, '--metrics-port', String(port)], db);
      expect([run.code, run.stdout]).toEqual([2, '']);
      expect(run.stderr).toBe(
        `error: port ${port} of 127.0.0.1 is in use\n` +
          'state: nothing was changed\n' +
          'hint:  another --metrics-port; with 0 it is any that is free, and is told\n',
      );
      const { rows } = await db.query(`select from pg_namespace where nspname ~ '^ghost'`);
      expect(rows).toEqual([]);
    } finally {
      server.close();
    }
  });
});
