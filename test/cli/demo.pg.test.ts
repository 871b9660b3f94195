/** The demo, small: it starts a server of its own, of the version that this project of tests is for. */
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test, vi } from 'vitest';
import { Session } from '../../src/db/session.js';
import { type DemoOptions, runDemo } from '../../src/cli/demo/demo.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import * as library from '../../src/index.js';
import { combineListeners } from '../../src/run/emitter.js';
import { plainLook } from '../../src/report/paint.js';
import { plainLinesReporter } from '../../src/report/plain-lines.js';

function demo(options: Partial<DemoOptions> = {}): { lines: string[]; done: Promise<void> } {
  const lines: string[] = [];
  const done = runDemo({
    rows: 2000,
    writers: 3,
    major: inject('serverMajor') as EmbeddedMajor,
    signal: new AbortController().signal,
    library,
    print: (line) => lines.push(...line.split('\n')),
    look: plainLook,
    reporter: () => plainLinesReporter({ write: (line) => lines.push(line), look: plainLook }),
    ...options,
  });
  return { lines, done };
}

const proofs = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('  ✔'));

test('every write is there', async () => {
  const { lines, done } = demo();
  await done;
  const found = proofs(lines);
  expect(found.slice(0, 5)).toEqual([
    '  ✔ orders.id is bigint',
    expect.stringMatching(/^ {2}✔ ([\d,]+) rows, \1 by the writers' own account$/),
    '  ✔ compared with the mirror row by row: 0 lost, 0 too many, 0 different',
    expect.stringMatching(/^ {2}✔ the sequence went on with [\d,]+, and 2,147,483,648 fits$/),
    expect.stringMatching(/^ {2}✔ the application saw 0 errors in [\d,]+ queries$/),
  ]);
  expect(lines).toContain('$ pg-ghost plan --table public.orders --alter "ALTER COLUMN id TYPE bigint"');
  expect(lines).toContain('$ pg-ghost rollback 1');
  expect(found.slice(5)).toEqual([
    '  ✔ orders.id is integer',
    expect.stringMatching(/^ {2}✔ ([\d,]+) rows, \1 by the writers' own account$/),
    '  ✔ compared with the mirror row by row: 0 lost, 0 too many, 0 different',
    expect.stringMatching(/^ {2}✔ the sequence went on with [\d,]+$/),
    expect.stringMatching(/^ {2}✔ the application saw 0 errors in [\d,]+ queries$/),
  ]);
  expect(lines.at(-1)).toMatch(/^ghost_new_1\.orders is dropped \([\d.]+ kB\)$/);
});

test('a library that loses a write is found out', async () => {
  const { lines, done } = demo({
    library: {
      ...library,
      migrate: async (options) => {
        const result = await library.migrate(options);
        await using session = await Session.open({ connection: options.connection });
        await session.batch([
          'delete from public.orders where id = (select max(id) - 50 from public.orders)',
        ]);
        return result;
      },
    },
  });
  await expect(done).rejects.toMatchObject({ code: 'demo-not-proved', exitCode: 1 });
  expect(lines.some((line) => line.startsWith('  FAILED compared with the mirror'))).toBe(true);
});

test('a rollback that loses a write is found out', async () => {
  const { lines, done } = demo({
    library: {
      ...library,
      rollback: async (options, id) => {
        await using session = await Session.open({ connection: options.connection });
        const result = await library.rollback(options, id);
        await session.batch([
          'delete from public.orders where id = (select max(id) - 50 from public.orders)',
        ]);
        return result;
      },
    },
  });
  await expect(done).rejects.toMatchObject({ code: 'demo-not-proved', exitCode: 1 });
  expect(proofs(lines).slice(0, 5)).toHaveLength(5);
  expect(lines.filter((line) => line.startsWith('  FAILED'))).toHaveLength(2);
});

test('stopped in the middle of the copy it leaves nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-test-'));
  // The server may run as another account, which has to get in.
  await chmod(directory, 0o755);
  vi.stubEnv('TMPDIR', directory);
  try {
    const stop = new AbortController();
    const filled: string[][] = [];
    const { done } = demo({
      signal: stop.signal,
      library: {
        ...library,
        migrate: async (options) => {
          filled.push(await readdir(directory));
          const onEvent = combineListeners([
            ({ event }) => {
              if (event === 'phase:started') stop.abort(new Error('enough'));
            },
            options.onEvent,
          ]);
          return await library.migrate({ ...options, onEvent });
        },
      },
    });
    await expect(done).rejects.toThrow('enough');
    expect(filled).toHaveLength(1);
    expect(filled[0]).toHaveLength(1);
    expect(await readdir(directory)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  }
});
