/** The table of lock modes against pg_locks. */
import { expect, test } from 'vitest';
import { readChange } from '../../src/plan/change/change.js';
import { strongestLock } from '../../src/plan/inventory/native-locks.js';
import { createDatabase } from '../support/database.js';
import { requestFor } from './trial-support.js';

const alters = [
  'add column c int',
  'drop column label',
  'alter column id type bigint',
  'alter column label set default $$x$$',
  'alter column label set not null',
  'alter column label set statistics 5',
  'alter column label set (n_distinct = 5)',
  'alter column label reset (n_distinct)',
  'alter column label set storage external',
  'alter column label set compression pglz',
  'add constraint c check (id > 0) not valid',
  'add constraint u unique (label)',
  'drop constraint t_pkey',
  'validate constraint later',
  'rename constraint later to sooner',
  'rename column label to title',
  'set (fillfactor = 50)',
  'set (autovacuum_enabled = off, toast.autovacuum_enabled = off, parallel_workers = 2)',
  'reset (fillfactor)',
  'set unlogged',
  'cluster on t_label',
  'set without cluster',
  'replica identity full',
  'alter column label set statistics 5, add column c int',
  'set (fillfactor = 50), validate constraint later',
];
const statements = [
  'create index i on t (label)',
  "comment on table t is 'x'",
  "comment on column t.label is 'x'",
];
const strength = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];

test('every action takes the lock that the plan says', async () => {
  await using db = await createDatabase(`
    create table t (id int primary key, label text);
    create index t_label on t (label);
    alter table t add constraint later check (id > 0) not valid;`);
  const said: Record<string, string> = {};
  const taken: Record<string, string> = {};
  for (const request of [
    ...alters.map((alter) => requestFor('t', { alter: [alter] })),
    ...statements.map((statement) => requestFor('t', { statements: [statement] })),
  ]) {
    const [statement] = readChange(request).statements;
    if (statement === undefined) throw new Error('no statement');
    said[statement.text] = strongestLock(statement);
    await db.query('begin');
    await db.query(statement.text);
    const { rows } = await db.query<{ mode: string }>(
      `select mode from pg_locks where pid = pg_backend_pid() and relation = 't'::regclass and locktype = 'relation'`,
    );
    await db.query('rollback');
    const strongest = Math.max(...rows.map(({ mode }) => strength.indexOf(mode)));
    taken[statement.text] = (strength[strongest] ?? 'none')
      .replace(/Lock$/, '')
      .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toUpperCase();
  }
  expect(said).toEqual(taken);
});
