/** Is the source still what it was when capture began (invariant 12)? Each thing that can be done to it, taken back afterwards. */
import { planOf } from '../../src/state/stored-plan.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { FailedError } from '../../src/errors.js';
import { captureOf } from '../../src/run/capture-of.js';
import type { TableContext } from '../../src/run/context.js';
import { recordedCheck, SourceAltered, SourceMoved } from '../../src/run/source-check.js';
import { findMigration } from '../../src/state/migrations.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, stopAfterCopy } from '../support/migration.js';

const setup = `
  create table t (id int primary key, v text, n int default 1);
  create index t_v_key on t (v);
  create view seen as select id, v from t;
  insert into t select i, 'v' || i from generate_series(1, 100) as i`;

let db: TestDatabase;
/** Of the run: the state is written here, whatever becomes of the other one's transaction. */
let control: Session;
let session: Session;
let context: TableContext;
beforeAll(async () => {
  db = await createDatabase(setup);
  await stopAfterCopy(db, { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] });
  [control, session] = await Promise.all([open(), open()]);
  const record = await findMigration(control, 1);
  if (record === null) throw new Error('there is no migration');
  const plan = planOf(record);
  context = {
    id: 1,
    no: 1,
    identity: record.identity,
    plan,
    capture: captureOf(record, record.tables[0], plan, { direction: 'forward', collects: false }),
    control,
  } as TableContext;
});
afterAll(async () => {
  await Promise.all([control.close(), session.close()]);
  await db[Symbol.asyncDispose]();
});

const open = (): Promise<Session> => Session.open({ own: true, connection: { url: db.url } });

/** What the check says of the table after these statements; null for nothing. */
async function after(statements: readonly string[], fileMayMove = false): Promise<Error | null> {
  const source = await recordedCheck(context);
  await session.batch(['begin', ...statements]);
  try {
    await source.check(session, { fileMayMove });
    return null;
  } catch (error) {
    return error as Error;
  } finally {
    await session.batch(['rollback']);
  }
}

describe('nothing to be told', () => {
  test.each([
    ['nothing', []],
    ['rows come and go', [`insert into public.t values (101)`, `delete from public.t where id < 10`]],
    ['statistics', ['analyze public.t']],
    ['an index is built anew', ['reindex index public.t_v_key']],
    ['a table beside it', ['create table public.other (id int primary key)']],
  ])('%s', async (_, statements) => {
    expect(await after(statements)).toBeNull();
  });

  test('the catalog was written, and says the same: from then on that is what it is compared with', async () => {
    const before = (await findMigration(control, 1))?.tables[0].mark?.fingerprint;
    expect(await after(['alter table public.t alter n set default 1'])).toBeNull();
    const now = (await findMigration(control, 1))?.tables[0].mark?.fingerprint;
    expect(now).not.toBe(before);
    // That was taken back: it is another one again, and says the same as well.
    expect(await after([])).toBeNull();
    expect((await findMigration(control, 1))?.tables[0].mark?.fingerprint).toBe(before);
  });
});

describe('the definition is another one', () => {
  test.each([
    ['a column more', ['alter table public.t add x int'], 'column "x" is not expected'],
    ['a default', ['alter table public.t alter n set default 2'], 'column "n": default: expected 1, is 2'],
    ['a right', ['grant select on public.t to public'], 'grants'],
    ['an index more', ['create index t_n on public.t (n)'], 't_n'],
    ['an index less', ['drop index public.t_v_key'], 't_v_key'],
    [
      'a view more',
      ['create view public.sum as select sum(n) from public.t'],
      'view public.sum: not there before',
    ],
    ['a view less', ['drop view public.seen'], 'view public.seen: is gone'],
    ['a comment', [`comment on table public.t is 'all of it'`], 'comment'],
  ])('%s', async (_, statements, difference) => {
    const error = await after(statements);
    expect(error).toBeInstanceOf(SourceAltered);
    expect((error as SourceAltered).differences.join('; ')).toContain(difference);
    // Where it is asked under the lock, that the file may move excuses nothing else.
    expect(await after(statements, true)).toBeInstanceOf(SourceAltered);
  });
});

test('the rows lie in another file: for a copy that is the end of its block numbers, for keys it is nothing', async () => {
  expect(await after(['truncate public.t'])).toBeInstanceOf(SourceMoved);
  expect(await after(['truncate public.t'], true)).toBeNull();
  const source = await recordedCheck(context);
  await session.batch(['begin', 'truncate public.t']);
  const { filenode } = await source.renewed(session);
  await session.batch(['rollback']);
  expect(filenode).not.toBe((await findMigration(control, 1))?.tables[0].mark?.filenode);
});

describe('capture was interrupted: for good, and before everything else', () => {
  const name = async (kind: 'row' | 'truncate'): Promise<string> => {
    const { rows } = await db.query<{ name: string }>(
      `select tgname as name from pg_trigger where tgrelid = 'public.t'::regclass and tgtype & 32 ${kind === 'row' ? '=' : '<>'} 0 order by 1`,
    );
    return rows[0]?.name ?? '';
  };
  test.each([
    ['a trigger was dropped', (row: string) => [`drop trigger ${row} on public.t`]],
    ['a trigger was disabled', (row: string) => [`alter table public.t disable trigger ${row}`]],
    [
      'all were, and they are on again, but not always',
      (row: string) => [
        `alter table public.t disable trigger all`,
        `alter table public.t enable trigger ${row}`,
      ],
    ],
    [
      'with the definition changed as well',
      (row: string) => [`alter table public.t add x int`, `drop trigger ${row} on public.t`],
    ],
    [
      'with the rows moved as well',
      (_: string, truncate: string) => [`truncate public.t`, `drop trigger ${truncate} on public.t`],
    ],
  ])('%s', async (_, statements) => {
    const error = await after(statements(await name('row'), await name('truncate')));
    expect(error).toBeInstanceOf(FailedError);
    expect(error).toMatchObject({ code: 'capture-interrupted' });
    const source = await recordedCheck(context);
    await session.batch(['begin', ...statements(await name('row'), await name('truncate'))]);
    expect(await failure(source.renewed(session))).toMatchObject({ code: 'capture-interrupted' });
    await session.batch(['rollback']);
  });
});

test.each([
  ['renamed', ['alter table public.t rename to u'], 'source-renamed', { was: 'public.t', now: 'public.u' }],
  [
    'moved',
    ['create schema elsewhere', 'alter table public.t set schema elsewhere'],
    'source-renamed',
    { was: 'public.t', now: 'elsewhere.t' },
  ],
  // The one that has its name now is not it.
  [
    'replaced',
    ['drop table public.t cascade', 'create table public.t (id int primary key)'],
    'table-gone',
    undefined,
  ],
])('the table was %s', async (_, statements, code, details) => {
  const error = await after(statements);
  expect(error).toBeInstanceOf(FailedError);
  expect(error).toMatchObject({ code, ...(details === undefined ? {} : { details }) });
});
