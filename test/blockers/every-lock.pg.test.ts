/**
 * Somebody is in the way of a lock that a command needs: what the application feels meanwhile, what the command says, and that
 * the next one goes through. Each place with each blocker that matters there.
 */
import { describe, expect, test } from 'vitest';
import { finalize } from '../../src/index.js';
import type { TestDatabase } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { abortPlace, finalizePlace, places, statusOf, type Place, type Removal, type Run } from './places.js';
import { gidOf, kinds, nativeChange, tolerableMs, type Kind } from './scene.js';
import { expectWhole, Stage } from './stage.js';

const { wrote, read, reads, drew, prepared, ddl, concurrently } = kinds;

/** The deadline passes. */
const tooLong: [Run, Kind[]][] = [
  [places.capture, [wrote]],
  [places.swap, [wrote]],
  [places.swapReferencing, [ddl]],
  [places.swapReferenced, [read]],
  [places.validate, [ddl]],
  [places.native, [wrote, reads, prepared, ddl]],
];

/** It ends after some tries. */
const notSoLong: [Run | Removal, Kind[]][] = [
  [places.capture, [prepared, ddl]],
  [places.swap, [read, drew, prepared, ddl]],
  [places.swapReferencing, [wrote]],
  [places.swapReferenced, [prepared]],
  [places.validate, [concurrently]],
  [abortPlace, [wrote, reads, prepared]],
  [finalizePlace, [read, prepared]],
];

/** What it holds goes together with the lock that is asked for. */
const noMatter: [Run, Kind[]][] = [
  [places.capture, [reads]],
  [places.validate, [wrote, reads]],
];

function cells<P extends Place>(
  matrix: [P, Kind[]][],
): { place: P; kind: Kind; where: string; who: string }[] {
  return matrix.flatMap(([place, blockers]) =>
    blockers.map((kind) => ({ place, kind, where: place.name, who: kind.name })),
  );
}

async function typeOf(db: TestDatabase): Promise<string | undefined> {
  const { rows } = await db.query<{ type: string }>(
    `select format_type(atttypid, -1) as type from pg_attribute where attrelid = 't'::regclass and attname = 'id'`,
  );
  return rows[0]?.type;
}

async function ourSchemas(db: TestDatabase): Promise<unknown[]> {
  return (await db.query(`select nspname::text as name from pg_namespace where nspname ~ '^ghost'`)).rows;
}

// It has a patience of its own, which is the longest here.
test.concurrent('finalize gives up when somebody goes on reading the old table, and says who', async () => {
  await using stage = await Stage.set(finalizePlace, reads);
  const { db, app } = stage;
  const error = await failure(stage.command());
  expect(error).toMatchObject({ code: 'lock-not-obtained', exitCode: 1 });
  expect((error['details'] as { blockers: unknown }).blockers).toEqual(expect.arrayContaining([stage.seen]));
  expect(error.message).toContain(`pid ${stage.blocker.pid} `);
  // One wait is as long as the default of --lock-timeout.
  expect(app.longestMs).toBeLessThan(1_000 + tolerableMs);
  const left = await statusOf(db);
  expect(left?.phase).toBe('swapped');
  expect(
    left?.locks.filter(({ what, outcome }) => what === finalizePlace.what && outcome === 'missed').length,
  ).toBeGreaterThan(2);
  await app.end();
  await stage.blocker.release();
  await finalize({ connection: { url: db.url } }, 1);
  await expectWhole(stage);
});

describe.concurrent('is in the way for too long: named, nothing is lost, and the same command goes through later', () => {
  test.each(cells(tooLong))('$where: $who', async ({ place, kind }) => {
    await using stage = await Stage.set(place, kind);
    const { db, app } = stage;
    const error = await failure(stage.command({ deadlineMs: 1_500 }));
    expect(app.longestMs).toBeLessThan(tolerableMs);

    expect(error).toMatchObject({ code: place.code, exitCode: place.exitCode });
    const { blockers } = error['details'] as { blockers: unknown[] };
    expect(blockers).toEqual(expect.arrayContaining([stage.seen]));
    const { pid } = stage.blocker;
    expect(error.message).toContain(pid === 0 ? `prepared transaction ${gidOf(db)}` : `pid ${pid} `);
    expect(stage.missed.length).toBeGreaterThan(0);
    for (const each of stage.missed) expect(each).toEqual(expect.arrayContaining([stage.seen]));

    const left = await statusOf(db);
    expect(left?.phase ?? null).toBe(place.stopped);
    expect(await typeOf(db)).toBe(place.stopped === 'swapped' ? 'bigint' : 'integer');
    if (left === null) {
      expect(await ourSchemas(db)).toEqual([]);
    } else {
      expect(left.error).toMatchObject({ code: place.code });
      const misses = stage.ledger.filter(({ outcome }) => outcome === 'missed').length;
      expect(left.locks.filter(({ outcome }) => outcome === 'missed').length).toBe(misses);
    }

    await stage.blocker.release();
    const { result } = await runChange(db, place.made);
    await expectWhole(stage);
    if (result.id !== null) await finalize({ connection: { url: db.url } }, result.id);
    expect(await typeOf(db)).toBe(place.made === nativeChange ? 'integer' : 'bigint');
  });
});

describe.concurrent('is in the way for a while: short tries, until one is let in', () => {
  test.each(cells(notSoLong))('$where: $who', async ({ place, kind }) => {
    await using stage = await Stage.set(place, kind);
    const { db, app } = stage;
    const command = stage.command();
    await Promise.race([stage.threeWaits(), command]);
    for (const each of stage.missed) expect(each).toEqual(expect.arrayContaining([stage.seen]));
    // The old table is gone in a moment.
    if (place === finalizePlace) await app.end();
    await stage.blocker.release();
    await command;
    expect(app.longestMs).toBeLessThan(tolerableMs);
    await expectWhole(stage);

    const ended = await statusOf(db);
    expect(ended?.phase).toBe(place.phase);
    expect(await typeOf(db)).toBe(place.phase === 'aborted' ? 'integer' : 'bigint');
    const locks = ended?.locks.filter(({ what }) => what === place.what) ?? [];
    const misses = locks.filter(({ outcome }) => outcome === 'missed').slice(0, 3);
    expect(misses).toHaveLength(3);
    // The first waits are of 10 ms and more; without their own end the hold's budget, or the harm's, would end them.
    expect(Math.min(...misses.map(({ waitedMs }) => waitedMs))).toBeLessThan(250);
    for (const miss of misses) expect(miss).toMatchObject({ mode: place.mode });
    // The application may hold another of the locks at that moment.
    const relation = kind.relation ?? place.table;
    expect(misses.map(({ table }) => table)).toContainEqual(
      expect.stringMatching(new RegExp(`\\.${relation}$`)),
    );
    expect(locks.at(-1)).toMatchObject({ outcome: 'committed' });
    if (place.phase !== 'swapped') expect(await ourSchemas(db)).toEqual([{ name: 'ghost' }]);
  });
});

describe.concurrent('shares the lock that is asked for, and is not waited for', () => {
  test.each(cells(noMatter))('$where: $who', async ({ place, kind }) => {
    await using stage = await Stage.set(place, kind);
    await stage.command({
      // It would be in the way of the swap.
      onPoint: (point) =>
        point === 'capture-on' && place === places.capture ? stage.blocker.release() : undefined,
    });
    expect(stage.ledger.length).toBeGreaterThan(0);
    for (const each of stage.ledger) expect(each).toMatchObject({ attempt: 1, outcome: 'committed' });
    expect(stage.app.longestMs).toBeLessThan(tolerableMs);
    if (place === places.validate) await stage.blocker.release();
    await expectWhole(stage);
  });
});
