import { expect, test } from 'vitest';
import { readFingerprint, type Fingerprint } from '../../src/catalog/fingerprint.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, until } from '../support/database.js';
import { ddl, setup } from './ddl.js';

const own = { triggers: ['ghost_capture_1_row', 'ghost_capture_1_truncate'], publications: [] };

/** None changes the definition: maintenance, traffic, and DDL elsewhere. */
const harmless: readonly string[] = [
  "insert into t (note) values ('y')",
  'update t set total = 5 where id < 100',
  'delete from t where id < 50',
  "select nextval('t_id_seq')",
  'vacuum t',
  'vacuum (freeze, analyze) t',
  'analyze t',
  'truncate t',
  'truncate t restart identity',
  'vacuum full t',
  'cluster t using t_total',
  'reindex table t',
  'reindex table concurrently t',
  'vacuum pg_class, pg_attribute, pg_index, pg_trigger',
  'vacuum (full, freeze) pg_trigger',
  'create table elsewhere (id int)',
  'create index concurrently on parent (id)',
  'create index on child (t)',
  'select * from t for update',
];
/** They move the heap to another file. */
const moving = ['truncate t', 'truncate t restart identity', 'vacuum full t', 'cluster t using t_total'];

test('all DDL on the table changes it, and undoing that brings it back', async () => {
  await using db = await createDatabase(setup);
  const role = await db.createRole();
  await db.query('create schema other');
  await using session = await Session.open({ connection: { url: db.url } });
  const { oid } = await session.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  const read = async (): Promise<Fingerprint | null> => await readFingerprint(session, oid, own);

  const before = await read();
  expect(before).toMatchObject({ fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown });
  const unnoticed: string[] = [];
  for (const statement of ddl) {
    const text = statement.replace('role_placeholder', role.name);
    // Cannot run in a transaction.
    if (text.includes('concurrently')) {
      await db.query(text);
      if ((await read())?.fingerprint === before?.fingerprint) unnoticed.push(text);
      await db.query('drop index t_note_idx');
    } else {
      await session.batch(['begin', text]);
      if ((await read())?.fingerprint === before?.fingerprint) unnoticed.push(text);
      await session.rollback();
    }
    expect(await read(), `after ${text} was undone`).toEqual(before);
  }
  expect(unnoticed).toEqual([]);
});

test('maintenance and traffic do not change it; another file of the heap shows in the filenode', async () => {
  await using db = await createDatabase(setup);
  await db.query('cluster t using t_total');
  await using session = await Session.open({ connection: { url: db.url } });
  const { oid } = await session.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  let before = await readFingerprint(session, oid, own);
  for (const statement of harmless) {
    await db.query(statement);
    const after = await readFingerprint(session, oid, own);
    expect(after?.fingerprint, statement).toBe(before?.fingerprint);
    expect(after?.filenode === before?.filenode, `${statement}: same file`).toBe(!moving.includes(statement));
    // VACUUM FULL of pg_trigger keeps its rows' xmin: capture is not taken for broken.
    expect(after?.own, statement).toBe(before?.own);
    before = after;
  }
});

test('an index that is still being built concurrently does not count', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const { oid } = await session.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  const before = await readFingerprint(session, oid, own);
  const [holder, builder] = [await db.connect(), await db.connect()];
  await holder.query('begin; select * from t limit 1; update t set total = 1 where id = 1');
  const built = builder.query('create index concurrently later on t (note)');
  await until(async () => (await db.query(`select from pg_class where relname = 'later'`)).rowCount, {
    what: 'the index in the catalog',
  });
  expect(await readFingerprint(session, oid, own)).toEqual(before);
  await holder.query('commit');
  await built;
  expect((await readFingerprint(session, oid, own))?.fingerprint).not.toBe(before?.fingerprint);
});

test('capture is told by its triggers, which are not part of the fingerprint', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const { oid } = await session.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  const before = await readFingerprint(session, oid, own);
  expect(before?.own).not.toBeNull();
  const changes: readonly (readonly [string, 'gone' | 'other'])[] = [
    ['drop trigger ghost_capture_1_truncate on t', 'gone'],
    ['alter table t disable trigger ghost_capture_1_row', 'other'],
    ['alter table t enable replica trigger ghost_capture_1_row', 'other'],
    ['alter trigger ghost_capture_1_row on t rename to something', 'gone'],
    [
      `create or replace trigger ghost_capture_1_row after update on t for each row execute function nothing()`,
      'other',
    ],
  ];
  for (const [statement, expected] of changes) {
    await session.batch(['begin', statement]);
    const after = await readFingerprint(session, oid, own);
    if (expected === 'gone') expect(after?.own, statement).toBeNull();
    else expect(after?.own, statement).not.toBe(before?.own);
    if (!statement.includes('rename')) expect(after?.fingerprint, statement).toBe(before?.fingerprint);
    await session.rollback();
  }
  expect(await readFingerprint(session, oid, own)).toEqual(before);
  expect(
    (await readFingerprint(session, oid, { triggers: [], publications: [] }))?.own,
    'nothing of ours on it',
  ).toBe('');
});

test('a table that is gone has none', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const { oid } = await session.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  await db.query('drop table t');
  expect(await readFingerprint(session, oid, own)).toBeNull();
});
