/**
 * Whatever hangs on the table is there after the swap as PostgreSQL itself would have left it: each object alone, and all
 * at once, compared by the catalog of every schema.
 */
import { inWords } from '../../src/advice.js';
import { describe, expect, inject, test } from 'vitest';
import { describePlan, plan } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { completeChange, failure, request, runChange, type ChangeInput } from '../support/migration.js';
import { allAtOnce, base, cases, common } from './carried.js';

const major = inject('serverMajor');
const schemas = ['public', 'app', 'Odd Schema'];
/** Roles belong to the whole server, and the tests share it. */
const shared = (setup: string): string =>
  setup.replaceAll(
    /create role (\w+);/g,
    (_, role) =>
      `do $$ begin create role ${String(role)}; exception when duplicate_object or unique_violation then null; end $$;`,
  );

describe('what hangs on the table', () => {
  for (const { name, setup, change, native, minMajor } of [...cases, allAtOnce]) {
    // A version that does not have the feature has nothing to carry.
    if (minMajor !== undefined && major < minMajor) continue;
    test(name, async () => {
      await using original = await createDatabase(base + shared(setup));
      await using clone = await original.clone();
      await clone.query(native ?? '');

      const { result } = await completeChange(original, { table: 'orders', ...(change ?? common) });

      expect(result.native).toBe(false);
      const [actual, expected] = [await original.connect(), await clone.connect()];
      for (const schema of schemas) {
        const options = { sequenceValues: true };
        expect(await catalogSnapshot(actual, schema, options)).toEqual(
          await catalogSnapshot(expected, schema, options),
        );
      }
      expect(await tableRows(actual, 'orders')).toEqual(await tableRows(expected, 'orders'));
    });
  }
});

test('a rehearsal of all of it at once does what the swap will, and leaves everything as it was', async () => {
  await using db = await createDatabase(base + shared(allAtOnce.setup));
  const client = await db.connect();
  const everything = async (): Promise<unknown[]> => {
    const found: unknown[] = [await tableRows(client, 'orders')];
    for (const schema of schemas) found.push(await catalogSnapshot(client, schema, { sequenceValues: true }));
    return found;
  };
  const before = await everything();
  const change = request({ table: 'orders', ...(allAtOnce.change ?? common) });
  const planned = await plan({ connection: { url: db.url }, request: change, rehearse: true });
  const rehearsal = { ok: true, holdMs: expect.any(Number) as number, attempts: 1, error: null };
  expect(planned).toMatchObject({ verdict: 'copy', rehearsal });
  expect(await everything()).toEqual(before);
  const { rows } = await db.query(`select nspname from pg_namespace where nspname like 'ghost%'`);
  expect(rows).toEqual([]);
});

describe('what cannot follow is refused by its name', () => {
  const refusals: (Partial<ChangeInput> & {
    name: string;
    setup: string;
    code: string;
    says: RegExp | readonly RegExp[];
    /** What would keep the database from being dropped. */
    teardown?: string;
    minMajor?: number;
    maxMajor?: number;
  })[] = [
    {
      name: 'a view that uses a dropped column',
      setup: `create view cheap as select total, note from orders; create view app.over as select note from cheap`,
      alter: ['DROP COLUMN note', 'ALTER COLUMN id TYPE bigint'],
      code: 'view',
      says: /public\.cheap .*column .*note/,
    },
    {
      name: 'a trigger that names a dropped column',
      setup: `create trigger t after update of note on orders for each row execute function note_it()`,
      alter: ['DROP COLUMN note', 'ALTER COLUMN id TYPE bigint'],
      code: 'trigger',
      says: /trigger t on public\.orders .*note/,
    },
    {
      name: 'a policy whose operator the new type does not have',
      setup: `create policy p on orders using (total > 5)`,
      alter: ['ALTER COLUMN total TYPE text', 'ALTER COLUMN total DROP DEFAULT'],
      code: 'policy',
      says: /policy p on public\.orders .*operator does not exist/,
    },
    {
      name: 'a foreign key to a dropped key',
      setup: `create table app.items (order_id integer constraint of_order references orders)`,
      alter: ['DROP CONSTRAINT orders_pkey', 'ADD PRIMARY KEY (id, region)'],
      code: 'foreign-key-in',
      says: /of_order of app\.items/,
    },
    {
      name: 'a foreign key between types that cannot be compared',
      setup: `alter table orders add constraint to_customer foreign key (customer_id) references customers`,
      alter: ['ALTER COLUMN customer_id TYPE text'],
      code: 'foreign-key-out',
      says: /to_customer of public\.orders/,
    },
    {
      name: 'a materialized view',
      setup: `create materialized view sums as select org from orders`,
      code: 'materialized-view',
      says: /sums.*--matviews recreate/s,
    },
    {
      name: 'a function that takes the row type, and something else needs it',
      setup: `create function of_row(orders) returns text language sql immutable as 'select $1.note';
        create operator @@@ (leftarg = orders, rightarg = none, function = of_row)`.replace(
        'leftarg = orders, rightarg = none',
        'rightarg = orders',
      ),
      code: 'function-row-type',
      says: /of_row.*operator public\.@@@/,
    },
    {
      name: 'functions of the row type in its own CHECK, default and indexes, each by name',
      setup: `create function of_row(orders) returns text language sql immutable as 'select $1.note';
        create function of_rows(orders[]) returns bigint language sql immutable as 'select 1::bigint';
        create function is_row(orders, integer) returns boolean language sql immutable as 'select true';
        create operator @@@ (leftarg = orders, rightarg = integer, function = is_row);
        alter table orders add constraint "Has a note" check (of_row(orders) is not null or true),
          add constraint is_one check (orders @@@ 1), alter total set default of_rows(null::orders[]);
        create index by_rows on orders ((note || of_row(null::orders)));`,
      code: 'function-row-type',
      says: [
        /constraint Has a note on .* function public\.of_row\(public\.orders\),/,
        /constraint is_one on .* function public\.is_row\(public\.orders,/,
        /default value for column total .* function public\.of_rows\(public\.orders\[\]\),/,
        /index public\.by_rows calls function public\.of_row\(/,
      ],
    },
    {
      name: 'a column of the row type',
      setup: `create table app.kept (o orders)`,
      code: 'row-type-column',
      says: /column o of table app\.kept/,
    },
    {
      name: 'a domain over the row type',
      setup: `create domain app.an_order as orders`,
      code: 'row-type',
      says: /app\.an_order/,
    },
    {
      name: 'a child table',
      setup: `create table app.child () inherits (orders)`,
      code: 'inheritance-child',
      says: /app\.child/,
    },
    {
      name: 'a parent table',
      setup: `create table app.parent (org integer); alter table orders inherit app.parent`,
      code: 'inheritance-parent',
      says: /app\.parent/,
    },
    {
      name: 'a publication of all tables',
      setup: `create publication everything for all tables`,
      code: 'publication-all-tables',
      says: /publication everything.*--allow-publication-all/s,
    },
    {
      name: 'a publication of the schema',
      minMajor: 15,
      setup: `create publication of_schema for tables in schema public`,
      code: 'publication-schema',
      says: /of_schema/,
    },
    {
      name: 'a table that a subscription writes into',
      setup: `create subscription sub connection 'host=127.0.0.1 port=1' publication nothing with (connect = false);
        insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'orders'::regclass, 'r' from pg_subscription where subname = 'sub';
        alter subscription sub set (slot_name = none);`,
      teardown: 'drop subscription sub',
      code: 'subscription',
      says: /subscription sub/,
    },
    {
      name: 'a foreign key of a partitioned table',
      maxMajor: 17,
      setup: `create table app.parts (order_id integer constraint of_order references orders) partition by range (order_id);
        create table app.part_1 partition of app.parts for values from (0) to (1000)`,
      code: 'foreign-key-in',
      says: /of_order on table app\.parts.*partitioned/,
    },
    {
      name: 'a foreign key whose triggers are disabled',
      setup: `create table app.items (order_id integer constraint of_order references orders); alter table app.items disable trigger all`,
      code: 'foreign-key-in',
      says: /of_order.*disabled/,
    },
    {
      name: 'a view that must be made again and has a user that cannot be',
      setup: `create view keyed as select id from orders; create function of_keyed(keyed) returns text language sql as 'select null'`,
      code: 'function-row-type',
      says: /of_keyed/,
    },
    {
      name: 'a trigger of another table that names this one',
      setup: `create constraint trigger from_it after insert on customers from orders for each row execute function note_it()`,
      code: 'trigger-elsewhere',
      says: /from_it/,
    },
    {
      name: 'a sequence that goes with its column in use elsewhere',
      setup: `alter table orders add column n integer generated always as identity;
        create table app.drafts (n integer default nextval('orders_n_seq'))`,
      alter: ['ALTER COLUMN id TYPE bigint, DROP COLUMN n'],
      code: 'default-elsewhere',
      says: /default of column n on app\.drafts cannot be made on the new table: .*orders_n_seq/,
    },
    {
      name: "another table's policy that reads a view which must go",
      setup: `create view keyed as select id from orders; create table app.other (id integer);
        create policy p on app.other using (exists (select from keyed))`,
      code: 'policy-elsewhere',
      says: /policy p on table app\.other/,
    },
    {
      name: "another table's rule that reads a view which must go",
      setup: `create view keyed as select id from orders; create table app.other (id integer);
        create rule r as on insert to app.other do also insert into audit (what) select 'k' || keyed.id from keyed`,
      code: 'rule-elsewhere',
      says: /rule r on table app\.other/,
    },
    {
      name: 'a view that must go and has a policy on it is named, too',
      setup: `create view keyed as select id from orders; create table app.other (id integer);
        create policy p on app.other using (exists (select from keyed))`,
      code: 'view',
      says: /public\.keyed has to be dropped .*policy p on table app\.other/,
    },
    {
      name: 'a typed table',
      table: 'typed',
      setup: `create type shape as (id integer, v text); create table typed of shape (primary key (id))`,
      rewrite: true,
      alter: [],
      code: 'typed-table',
      says: /shape/,
    },
    {
      name: 'a table that belongs to an extension',
      setup: `create extension pg_trgm; alter extension pg_trgm add table orders`,
      code: 'extension-member',
      says: /pg_trgm/,
    },
    {
      name: 'a trigger that belongs to an extension',
      setup: `create extension pg_trgm; create trigger ext after insert on orders for each row execute function note_it();
        insert into pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
        select 'pg_trigger'::regclass, tg.oid, 0, 'pg_extension'::regclass, x.oid, 0, 'e'
        from pg_trigger as tg, pg_extension as x where tg.tgname = 'ext' and x.extname = 'pg_trgm'`,
      code: 'trigger',
      says: /trigger ext .*of extension pg_trgm.*belongs to an extension/,
    },
    {
      name: 'a security label on a view that must go',
      setup: `create view keyed as select id from orders;
        insert into pg_seclabel (objoid, classoid, objsubid, provider, label) values ('keyed'::regclass, 'pg_class'::regclass, 0, 'nobody', 'secret')`,
      code: 'view',
      says: /public\.keyed has to be dropped .*security label \(nobody\)/,
    },
    {
      name: 'a security label whose provider is not there',
      setup: `insert into pg_seclabel (objoid, classoid, objsubid, provider, label) values ('orders'::regclass, 'pg_class'::regclass, 0, 'nobody', 'secret')`,
      code: 'security-label',
      says: /security label .*provider "nobody" is not loaded/,
    },
    {
      name: 'a trigger that depends on an extension',
      setup: `create trigger noted before insert on orders for each row execute function note_it(); create extension if not exists pg_trgm; alter trigger noted on orders depends on extension pg_trgm`,
      code: 'depends-on-extension',
      says: /noted/,
    },
  ];
  for (const { name, setup, code, says, teardown, minMajor = 14, maxMajor = 99, ...change } of refusals) {
    if (major < minMajor || major > maxMajor) continue;
    test(name, async () => {
      await using db = await createDatabase(base + setup);
      const input: ChangeInput = { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'], ...change };
      const refused = await plan({ connection: { url: db.url }, request: request(input) });
      expect(refused.verdict).toBe('refused');
      const texts = refused.reasons.map(
        (reason) => `${reason.code}: ${reason.message} ${inWords(reason.hint ?? '')}`,
      );
      for (const each of [says].flat()) expect(texts).toContainEqual(expect.stringMatching(each));
      expect(refused.reasons.map((reason) => reason.code)).toContain(code);
      const error = await failure(runChange(db, input));
      expect(error['exitCode']).toBe(3);
      const { rows } = await db.query(`select nspname from pg_namespace where nspname like 'ghost%'`);
      expect(rows).toEqual([]);
      await db.query(teardown ?? '');
    });
  }

  test('a foreign key to a partitioned table is valid, and the plan says what 14 to 17 leave unmarked', async () => {
    await using db = await createDatabase(`${base}
      create table places (region text primary key) partition by list (region);
      create table places_eu partition of places default;
      insert into places values ('eu');
      alter table orders add constraint to_place foreign key (region) references places;`);
    const { result } = await completeChange(db, { table: 'orders', ...common });
    const codes = result.plan.warnings.map(({ code }) => code);
    expect(codes.includes('partitions-not-marked')).toBe(major < 18);
    const { rows } = await db.query(
      `select convalidated as valid from pg_constraint where conname = 'to_place'`,
    );
    expect(rows).toEqual([{ valid: true }]);
    await expect(db.query(`insert into orders (region) values ('nowhere')`)).rejects.toMatchObject({
      code: '23503',
    });
  });

  test('columns that reference a grown key are named in a warning', async () => {
    await using db = await createDatabase(
      `${base} create table app.items (order_id integer constraint of_order references orders)`,
    );
    const planned = await plan({
      connection: { url: db.url },
      request: request({ table: 'orders', ...common }),
    });
    const { warnings } = describePlan(planned);
    expect(warnings).toContainEqual({
      code: 'referencing-types',
      message: expect.stringContaining('app.items.order_id (integer, references bigint)') as string,
    });
  });

  test('no such warning where the change touches no such column, nor where two domains are of one type', async () => {
    await using db = await createDatabase(`
      create domain long as bigint; create domain longer as long;
      create table orders (id bigint primary key, code varchar(10) unique, n integer unique, note integer);
      create table items (order_id integer references orders, code varchar(20) references orders (code),
        n longer references orders (n));
      insert into orders values (1);`);
    const warnings = async (alter: string[]): Promise<string[]> => {
      const { warnings: all } = describePlan(
        await plan({
          connection: { url: db.url },
          request: request({ table: 'orders', alter, rewrite: true }),
        }),
      );
      return all.filter(({ code }) => code === 'referencing-types').map(({ message }) => message);
    };
    expect(await warnings([])).toEqual([]);
    expect(await warnings(['alter note type bigint'])).toEqual([]);
    expect(await warnings(['alter n type bigint'])).toEqual([]);
    expect(await warnings(['alter n type long'])).toEqual([]);
    expect(await warnings(['alter code type varchar(15)'])).toEqual([
      expect.stringContaining('public.items.code (character varying(20), references character varying(15))'),
    ]);
  });

  test("a view in another session's temporary schema", async () => {
    await using db = await createDatabase(base);
    const other = await db.connect();
    await other.query('create temporary view mine as select note from orders');
    const error = await failure(runChange(db, { table: 'orders', ...common }));
    expect(error).toMatchObject({ exitCode: 3, message: expect.stringMatching(/mine.*temporary/) as string });
  });
});
