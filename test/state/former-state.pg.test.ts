/** The state of an earlier version: read as it is by whoever only reads, brought up to date by whoever writes. */
import { expect, test } from 'vitest';
import { abort, finalize, plan, status, verify } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAfterCopy } from '../support/migration.js';
import { asVersionFour, asVersionOne, asVersionThree } from './former-layouts.js';

const setup = `
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 3000) as i;
  create table other (id int primary key);`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

const formers = [
  [3, asVersionThree],
  [1, asVersionOne],
] as const;
/** One that is under way in the fourth goes on in the present one. */
const swappedFormers = [[4, asVersionFour], ...formers] as const;

/** What is in the catalog of it, and when that was written. */
async function everything(db: TestDatabase): Promise<unknown> {
  const { rows } = await db.query(`
    select c.oid, c.relname, c.xmin::text, c.relfilenode, obj_description(n.oid, 'pg_namespace') as comment
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname ~ '^ghost' order by c.oid`);
  return rows;
}

test.each(swappedFormers)(
  'of version %s, swapped: it is shown, planned beside, compared and finalized',
  async (version, former) => {
    await using db = await createDatabase(setup);
    const options = { connection: { url: db.url } };
    await runChange(db, change);
    const [was] = await status(options);
    await db.query(former);
    const before = await everything(db);
    const shown = {
      id: 1,
      phase: 'swapped',
      table: 'public.t',
      old: 'ghost_old_1.t',
      rowsCopied: 3000,
      origin: 'here',
    };
    expect(await status(options)).toMatchObject([shown]);
    expect(await status(options, 1)).toMatchObject([
      { ...shown, createdAt: was?.createdAt, next: was?.next },
    ]);
    expect(await failure(status(options, 2))).toMatchObject({ code: 'no-such-migration' });
    const planned = await plan({
      ...options,
      request: request({ ...change, table: 'other' }),
      rehearse: true,
    });
    expect(planned).toMatchObject({ verdict: 'copy', rehearsal: { ok: true } });
    expect(await everything(db)).toEqual(before);

    if (version === 1) {
      // It did not record which transactions came before the swap.
      expect(await failure(verify(options, 1))).toMatchObject({
        code: 'not-comparable',
        message: expect.stringContaining('early version') as unknown,
      });
    } else {
      const report = { rows: 3000, differences: 0 };
      expect(await verify(options, 1)).toMatchObject({ ...report, comparedWith: 'ghost_old_1.t' });
      expect(await status(options)).toMatchObject([{ ...shown, verification: report }]);
    }
    expect(await everything(db)).not.toEqual(before);
    expect((await runChange(db, { ...change, table: 'other' })).result).toMatchObject({ id: 2 });
    await finalize(options, 1);
    expect(await status(options)).toMatchObject([
      { id: 1, phase: 'finalized' },
      { id: 2, phase: 'swapped' },
    ]);
    expect((await db.query(`select nspname from pg_namespace where nspname ~ '^ghost_'`)).rows).toEqual([
      { nspname: 'ghost_old_2' },
    ]);
  },
);

test.each(formers)(
  'of version %s, under way: it is shown, and left to that version',
  async (version, former) => {
    await using db = await createDatabase(setup);
    const options = { connection: { url: db.url } };
    await stopAfterCopy(db, change);
    await db.query(former);
    const before = await everything(db);
    const [shown] = await status(options);
    expect(shown).toMatchObject({ id: 1, table: 'public.t', percent: 100, runnerPid: null, origin: 'here' });
    expect(shown?.next).toContain('earlier version');
    // An earlier one than the third did not record it.
    if (version === 3) expect(shown?.shadow).toBe('ghost_new_1.t');
    const writing = [
      () => abort(options, 1),
      () => finalize(options, 1),
      () => verify(options, 1),
      () => runChange(db, change),
    ];
    for (const write of writing)
      expect(await failure(write())).toMatchObject({ code: 'state-of-former-version', exitCode: 3 });
    expect(await everything(db)).toEqual(before);
  },
);
