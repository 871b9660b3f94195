import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { runChange } from '../support/migration.js';

test('rows with large TOASTed values are begun with carefully', async () => {
  await using db = await createDatabase(`
    create table public.docs (id int primary key, doc text);
    alter table public.docs alter column doc set storage external;
    insert into public.docs select n, repeat('x', 20000) from generate_series(1, 300) as n`);
  const { events } = await runChange(db, { table: 'docs', alter: ['ALTER COLUMN id TYPE bigint'] });
  const progress = events.filter(({ event }) => event === 'copy:progress') as {
    blocksDone?: number;
    blocksTotal?: number;
  }[];
  // 300 rows are 2 blocks and 6 MB.
  expect(progress[0]).toMatchObject({ blocksDone: 1, blocksTotal: 2 });
  const { rows } = await db.query('select count(*)::int as n, sum(length(doc))::int as characters from docs');
  expect(rows).toEqual([{ n: 300, characters: 6_000_000 }]);
});
