/** Chunks by block: each row once, with its checkpoint, whatever happens between (invariants 2, 7, 12). */
import { expect, test } from 'vitest';
import { mergeRanges } from '../../src/copy/block-chunks.js';
import { firstChunkBlocks, leastChunkBlocks } from '../../src/copy/chunk-size.js';
import type { BlockRange } from '../../src/copy/copy-plan.js';
import { Session } from '../../src/db/session.js';
import { isConnectionLost } from '../../src/db/sqlstate.js';
import { crewOf } from '../../src/pieces/crew.js';
import type { CopyProgress } from '../../src/copy/copier.js';
import { SmallMigration, type SmallMigrationOptions } from '../apply/small-migration.js';

/** Some 1,000 blocks: eight wide rows each, so that several chunks are needed. */
const wide: SmallMigrationOptions = {
  source: 'id int primary key, v int, filler text',
  shadow: 'id bigint, v int, filler text',
  seed: `insert into public.t select i, i, repeat('x', 900) from generate_series(1, 8000) as i`,
};

async function doneRanges(m: SmallMigration): Promise<BlockRange[]> {
  const { rows } = await m.db.query<{ from: number; to: number }>(
    `select from_block::int as from, to_block::int as to from ghost.done`,
  );
  return rows;
}

async function rowsDone(m: SmallMigration): Promise<number> {
  const { rows } = await m.db.query<{ n: number }>('select coalesce(sum(rows), 0)::int as n from ghost.done');
  return rows[0]?.n ?? 0;
}

test('several workers copy every row once', async () => {
  await using m = await SmallMigration.start(wide);
  await using second = await Session.open({ connection: { url: m.db.url } });
  const progress: CopyProgress[] = [];
  const rows = await m.copy({ crew: crewOf([m.session, second]), onProgress: (each) => progress.push(each) });
  expect(rows).toBe(8000);
  expect(await m.differences()).toEqual([]);
  const done = await doneRanges(m);
  expect(done.length).toBeGreaterThan(2);
  const last = progress.at(-1);
  expect(mergeRanges(done)).toEqual([{ from: 0, to: last?.blocksTotal }]);
  expect(last).toMatchObject({ rowsCopied: 8000, etaSeconds: 0, workers: 2 });
  expect(last?.blocksDone).toBe(last?.blocksTotal);
});

/**
 * Invariants 2 and 4. A row that moves to a later block while the copy is between the two is copied twice, and the copy
 * alone cannot know; its entry can.
 */
test('a row that moves between two chunks is in the shadow twice until the purge', async () => {
  await using m = await SmallMigration.start(wide);
  // Room in the last blocks, so that an update goes there and not beyond the end.
  await m.write('delete from public.t where id between 7500 and 8000');
  await m.session.execute('vacuum (truncate off) public.t');
  await m.session.execute('delete from ghost.log_1');
  let chunks = 0;
  await m.copy({
    permission: async () => {
      chunks += 1;
      if (chunks === 2) await m.write('update public.t set v = -1 where id = 1');
    },
  });
  expect(await m.count('ghost_new_1.t where id = 1')).toBe(2);
  expect(await m.purge()).toBe(2);
  await m.buildIndexes();
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('a copy that is asked to stop commits its chunk, and the next neither repeats nor skips any', async () => {
  await using m = await SmallMigration.start(wide);
  const stop = new AbortController();
  const stopped = m.copy({ signal: stop.signal, onProgress: () => stop.abort(new Error('stop')) });
  await expect(stopped).rejects.toThrow('stop');
  expect(await m.count('ghost_new_1.t')).toBe(await rowsDone(m));
  expect(await doneRanges(m)).toEqual([{ from: 0, to: firstChunkBlocks }]);
  expect(await m.copy({ done: await doneRanges(m), rowsDone: await rowsDone(m) })).toBe(8000);
  expect(await m.differences()).toEqual([]);
  expect(await m.count(`(select distinct from_block from ghost.done) as d`)).toBe(
    await m.count('ghost.done'),
  );
});

test('chunks that only their overhead makes slow stay large enough to be worth it', async () => {
  await using m = await SmallMigration.start(wide);
  const chunks: number[] = [];
  await m.copy({
    chunkTimeMs: () => 5,
    // As slow as on a machine without a core to spare: far beyond what a chunk is to take.
    checkSource: async (session) => {
      await session.rows('select pg_sleep(0.04)');
    },
    onProgress: ({ chunkBlocks }) => chunks.push(chunkBlocks),
  });
  expect(chunks.slice(0, -1).every((blocks) => blocks >= leastChunkBlocks)).toBe(true);
  expect(chunks.length).toBeGreaterThan(10);
  expect(await m.differences()).toEqual([]);
});

/** Invariant 7: nothing of the chunk without its checkpoint. */
test('a connection that breaks within a chunk leaves nothing of it', async () => {
  await using m = await SmallMigration.start(wide);
  const doomed = await Session.open({ connection: { url: m.db.url } });
  let chunks = 0;
  const broken = m.copy({
    crew: crewOf([doomed]),
    checkpoint: ({ blocks, rows }) => {
      chunks += 1;
      if (chunks === 2) doomed.destroy();
      return { text: 'insert into ghost.done values ($1, $2, $3)', values: [blocks.from, blocks.to, rows] };
    },
  });
  await expect(broken).rejects.toSatisfy(isConnectionLost);
  expect(await m.count('ghost.done')).toBe(1);
  expect(await m.count('ghost_new_1.t')).toBe(await rowsDone(m));
  await m.copy({ done: await doneRanges(m), rowsDone: await rowsDone(m) });
  expect(await m.differences()).toEqual([]);
});

test('a source that is not as recorded stops all workers, and nothing of the chunk stays', async () => {
  await using m = await SmallMigration.start(wide);
  await using second = await Session.open({ connection: { url: m.db.url } });
  let checks = 0;
  const copy = m.copy({
    crew: crewOf([m.session, second]),
    // Small chunks: there is a lot left to do that nobody may do.
    chunkTimeMs: () => 1,
    checkSource: async () => {
      checks += 1;
      if (checks === 3) throw new Error('changed');
    },
  });
  await expect(copy).rejects.toThrow('changed');
  expect(checks).toBeLessThanOrEqual(4);
  expect(await m.count('ghost_new_1.t')).toBe(await rowsDone(m));
});

/** The check is worth something only if the source stays as it was until the chunk is committed (invariant 12). */
test('nobody can rewrite the source between check and commit', async () => {
  await using m = await SmallMigration.start(wide);
  const other = await m.db.connect();
  await other.query(`set lock_timeout = '50ms'`);
  let tried = 0;
  await m.copy({
    checkSource: async () => {
      tried += 1;
      if (tried === 1)
        await expect(other.query('truncate public.t')).rejects.toMatchObject({ code: '55P03' });
    },
  });
  expect(tried).toBeGreaterThan(1);
});

const misfits: [string, SmallMigrationOptions, object][] = [
  [
    'a cast',
    {
      source: 'id int primary key, v text',
      shadow: 'id int, v int',
      expressions: { v: 'v::int' },
      seed: `
      insert into public.t select i, i from generate_series(1, 3000) as i;
      update public.t set v = 'seven' where id = 7; update public.t set v = '' where id = 2999`,
    },
    { reason: 'cast', keys: ['id=7', 'id=2999'], sqlState: '22P02' },
  ],
  [
    'NOT NULL',
    {
      source: 'id int, r text, v text, primary key (r, id)',
      shadow: 'id int, r text, v text not null',
      seed: `
      insert into public.t select i, 'eu', i from generate_series(1, 3000) as i;
      update public.t set v = null where id = 1500`,
    },
    { reason: 'not-null', keys: ['r=eu, id=1500'], column: 'v' },
  ],
  [
    'a CHECK, more rows than can be named',
    {
      source: 'id int primary key, v int',
      shadow: 'id int, v int constraint positive check (v > 0)',
      seed: `
      insert into public.t select i, i - 20 from generate_series(1, 3000) as i`,
    },
    { reason: 'check', keys: ['id=1', 'id=2', 'id=3', 'id=4', 'id=5'], constraint: 'positive' },
  ],
  [
    'a number out of range',
    {
      source: 'id bigint primary key',
      shadow: 'id int',
      seed: `insert into public.t values (1), (3000000000)`,
    },
    { reason: 'cast', keys: ['id=3000000000'], sqlState: '22003' },
  ],
  [
    'an exception of the user’s own function',
    {
      before: `create function public.no(int) returns int language plpgsql as 'begin if $1 = 3 then raise exception ''no''; end if; return $1; end'`,
      source: 'id int primary key, v int',
      expressions: { v: 'public.no(v)' },
      seed: `insert into public.t values (1, 2), (2, 3)`,
    },
    { reason: 'cast', keys: ['id=2'], sqlState: 'P0001' },
  ],
];

test.each(misfits)('rows that do not fit are named: %s', async (_, options, details) => {
  await using m = await SmallMigration.start(options);
  await expect(m.copy()).rejects.toMatchObject({
    code: 'row-does-not-fit',
    details,
    state: 'source untouched; migration 1 keeps its state',
  });
  expect(await m.count('ghost_new_1.t')).toBe(0);
  expect(await m.count('ghost.done')).toBe(0);
});
