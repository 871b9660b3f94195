import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRequest } from '../../src/cli/given-change.js';

test('everything together', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-test-'));
  try {
    const file = join(directory, 'change.sql');
    await writeFile(file, '\uFEFFalter table orders add x int;\n');
    const set = [{ column: 'x', expression: '1' }];
    expect(
      await readRequest({ table: 'orders', alter: ['DROP COLUMN y'], file: [file], set, rewrite: true }),
    ).toEqual({
      table: 'orders',
      alter: ['DROP COLUMN y'],
      statements: ['alter table orders add x int;\n'],
      set,
      rewrite: true,
    });
    await writeFile(file, ' \n');
    await expect(readRequest({ table: 'orders', file: [file], rewrite: false })).rejects.toMatchObject({
      code: 'file-not-readable',
      exitCode: 2,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test.each([
  [{ rewrite: true }, 'no-table'],
  [{ table: 'orders', rewrite: false }, 'empty-change'],
  [{ table: 'orders', file: ['/no/such/file.sql'], rewrite: false }, 'file-not-readable'],
])('%j is refused as %s', async (values, code) => {
  await expect(readRequest(values)).rejects.toMatchObject({ code, exitCode: 2 });
});
