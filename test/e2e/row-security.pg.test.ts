/** Row level security is never off: a restricted role looks at everything that it can, all through a migration. */
import { expect, test } from 'vitest';
import pg from 'pg';
import { createDatabase } from '../support/database.js';
import { completeChange } from '../support/migration.js';

test('a restricted role never sees a row that it must not', async () => {
  await using db = await createDatabase(`
    create table notes (id integer primary key, tenant text not null, body text);
    insert into notes select i, 'tenant-' || i % 5, repeat('x', 500) from generate_series(1, 20000) as i;
    alter table notes enable row level security;
    create policy own on notes using (tenant = current_setting('app.tenant', true));
    create view all_notes with (security_barrier) as select id, tenant from notes where tenant = current_setting('app.tenant', true);`);
  const role = await db.createRole();
  await db.query(
    `grant select, insert, update on notes to ${role.name}; grant select on all_notes to ${role.name}`,
  );
  const tenant = await db.connect(role.url);
  await tenant.query(`set app.tenant = 'tenant-1'`);
  const writer = await db.connect();
  const stop = new AbortController();
  const seen = { rows: 0, foreign: 0, denied: 0, looks: 0 };

  const probing = (async () => {
    while (!stop.signal.aborted) {
      const { rows } = await tenant.query<{ own: number; foreign: number }>(
        `select count(*) filter (where tenant = 'tenant-1')::int as own,
           count(*) filter (where tenant <> 'tenant-1')::int as foreign from notes`,
      );
      seen.looks += 1;
      seen.rows = Math.max(seen.rows, rows[0]?.own ?? 0);
      seen.foreign += rows[0]?.foreign ?? 0;
      await tenant.query(`update notes set body = 'mine' where id = 1`);
      const { rows: relations } = await tenant.query<{ name: string }>(
        `select format('%I.%I', n.nspname, c.relname) as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname like 'ghost%' and c.relkind = 'r'`,
      );
      for (const { name } of relations) {
        try {
          const { rows: shown } = await tenant.query(`select * from ${name} limit 1`);
          seen.foreign += shown.length;
        } catch (error) {
          // No right on the schema, or the table is gone or moved by now.
          expect((error as pg.DatabaseError).code).toMatch(/^(42501|42P01|3F000)$/);
          seen.denied += 1;
        }
      }
    }
  })();
  const writing = (async () => {
    for (let id = 100_000; !stop.signal.aborted; id += 1) {
      await writer.query(`insert into notes values (${id}, 'tenant-${id % 5}', 'new')`);
    }
  })();
  try {
    await completeChange(db, { table: 'notes', alter: ['ALTER COLUMN id TYPE bigint'] });
  } finally {
    stop.abort();
    await Promise.all([probing, writing]);
  }
  expect(seen.foreign).toBe(0);
  expect(seen.rows).toBeGreaterThanOrEqual(4000);
  expect(seen.denied).toBeGreaterThan(0);
  expect((await tenant.query(`select distinct tenant from notes`)).rows).toEqual([{ tenant: 'tenant-1' }]);
});
