import { expect, test } from 'vitest';
import { conflicts, type LockMode } from '../../src/model/lock-mode.js';
import { createDatabase } from '../support/database.js';

const modes: LockMode[] = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
];

test('which modes exclude each other is what PostgreSQL says', async () => {
  await using db = await createDatabase('create table t (id int)');
  const [one, two] = [await db.connect(), await db.connect()];
  const ours: string[] = [];
  const theirs: string[] = [];
  for (const held of modes) {
    await one.query(`begin; lock table t in ${held} mode`);
    for (const asked of modes) {
      const free = await two.query(`begin; lock table t in ${asked} mode nowait`).then(
        () => true,
        () => false,
      );
      await two.query('rollback');
      if (!free) theirs.push(`${asked} / ${held}`);
      if (conflicts(asked, held)) ours.push(`${asked} / ${held}`);
    }
    await one.query('rollback');
  }
  expect(ours).toEqual(theirs);
  expect(ours).toHaveLength(38);
});
