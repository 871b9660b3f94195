/**
 * Schemas that were not made for this tool, after the shape of well-known samples: each table in turn is written anew, or gets
 * a wider key, and nothing else of the whole schema may have changed.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { completeChange } from '../support/migration.js';

const samples = [
  {
    name: 'video-store',
    rewritten: ['film', 'actor', 'customer', 'rental', 'inventory', 'store', 'staff', 'payment'],
    grown: {
      table: 'rental',
      column: 'rental_id',
      sequence: 'rental_rental_id_seq',
      drop: ['sales_by_film_category'],
    },
  },
  {
    name: 'music-shop',
    rewritten: ['"Track"', '"Album"', '"Employee"', '"Invoice"', '"PlaylistTrack"'],
    grown: { table: '"Track"', column: '"TrackId"', sequence: null, drop: [] },
  },
  {
    name: 'trading-company',
    rewritten: ['orders', 'products', 'employees', 'order_details', 'customers'],
    grown: { table: 'orders', column: 'order_id', sequence: null, drop: ['invoices', 'summary_of_sales'] },
  },
];

describe.each(samples)('$name', ({ name, rewritten, grown }) => {
  const setup = (): Promise<string> => readFile(new URL(`samples/${name}.sql`, import.meta.url), 'utf8');

  test('each table in turn is written anew', async () => {
    await using db = await createDatabase(await setup());
    const client = await db.connect();
    const before = await catalogSnapshot(client, 'public', { sequenceValues: true });
    for (const table of rewritten) {
      const rows = await tableRows(client, table);
      await completeChange(db, { table, rewrite: true });
      expect(await catalogSnapshot(client, 'public', { sequenceValues: true })).toEqual(before);
      expect(await tableRows(client, table)).toEqual(rows);
    }
  });

  test('a key grows under everything that references and reads it', async () => {
    await using db = await createDatabase(await setup());
    await using clone = await db.clone();
    const { table, column, sequence, drop } = grown;
    const oracle = await clone.connect();
    const views: string[] = [];
    for (const view of drop) {
      const { rows } = await oracle.query<{ d: string }>(`select pg_get_viewdef($1::regclass) as d`, [view]);
      views.push(`create view ${view} as ${rows[0]?.d ?? ''}`);
      await oracle.query(`drop view ${view}`);
    }
    await oracle.query(`alter table ${table} alter column ${column} type bigint`);
    if (sequence !== null) await oracle.query(`alter sequence ${sequence} as bigint`);
    for (const view of views) await oracle.query(view);

    await completeChange(db, { table, alter: [`ALTER COLUMN ${column} TYPE bigint`] });

    const client = await db.connect();
    const options = { sequenceValues: true };
    expect(await catalogSnapshot(client, 'public', options)).toEqual(
      await catalogSnapshot(oracle, 'public', options),
    );
    expect(await tableRows(client, table)).toEqual(await tableRows(oracle, table));
  });
});
