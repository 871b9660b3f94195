/**
 * A migration of two tables that reference each other by a foreign key, as a run has it: written to all the while, stopped and
 * continued, swapped in one commit, and undone or finalized as a whole. The command line begins none of these.
 */
import { firstTurn } from '../../src/run/context.js';
import { expect, test } from 'vitest';
import {
  plan as planOf,
  abort,
  finalize,
  rollback,
  rollforward,
  type ChangeRequest,
} from '../../src/index.js';
import { Session } from '../../src/db/session.js';
import type { CopyPlan } from '../../src/model/plan.js';
import { createEmitter } from '../../src/run/emitter.js';
import type { Point } from '../../src/run/points.js';
import { userSignal } from '../../src/run/interrupt.js';
import { runMigration } from '../../src/run/run-migration.js';
import { settingsFrom } from '../../src/settings/given.js';
import { findMigration, insertMigration, type MigrationRecord } from '../../src/state/migrations.js';
import { ensureState } from '../../src/state/schema.js';
import { readServerIdentity } from '../../src/state/server-identity.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request } from '../support/migration.js';

const view = `create view of_customer as select name, sum(cents) as cents
  from customer join orders on customer = customer.id group by 1;`;
const setup = `
  create table customer (id int generated always as identity primary key, name text unique);
  create table orders (id int generated always as identity primary key, customer int not null references customer, cents int default 0);
  create index on orders (customer);
  create table log (orders int references orders on delete cascade, what text);
  ${view}
  insert into customer (name) select 'c' || i from generate_series(1, 2000) as i;
  insert into orders (customer, cents) select 1 + i % 2000, i from generate_series(1, 5000) as i;
  insert into log select i, 'made' from generate_series(1, 5000, 7) as i;`;

const changes = {
  customer: ['alter column id type bigint'],
  orders: ['alter column id type bigint', 'alter column customer type bigint'],
} as const;
const names = Object.keys(changes) as (keyof typeof changes)[];

/** Into both tables, in an order that needs the foreign key; the same in whatever database it is given to. */
function written(number: number): string {
  return `
    insert into customer (name) values ('new ${number}');
    insert into orders (customer, cents) select id, ${number} from customer where name = 'new ${number}';
    update orders set customer = (select id from customer where name = 'new ${number}') where cents between ${number * 10} and ${number * 10 + 5};
    update customer set name = name || '!' where name like '%${number}';
    delete from orders where cents = ${number * 10 + 7};`;
}

interface Given {
  readonly control: Session;
  readonly record: MigrationRecord;
}

async function begun(db: TestDatabase, control: Session): Promise<Given> {
  const plans: CopyPlan[] = [];
  for (const table of names) {
    const asked = request({ table, alter: changes[table] });
    const plan = await planOf({ connection: { url: db.url }, request: asked });
    if (plan.verdict !== 'copy') throw new Error(`${table}: ${plan.verdict}`);
    plans.push(plan);
  }
  const [first, ...others] = plans;
  if (first === undefined) throw new Error('no plans');
  await ensureState(control);
  const record = await insertMigration(control, {
    request: first.request,
    plans: [first, ...others],
    server: await readServerIdentity(control),
  });
  return { control, record };
}

async function run(
  db: TestDatabase,
  { control, record }: Given,
  {
    onPoint = async () => {},
    fresh = true,
    signal = new AbortController().signal,
  }: {
    readonly onPoint?: (point: Point) => Promise<void>;
    readonly fresh?: boolean;
    readonly signal?: AbortSignal;
  } = {},
): Promise<void> {
  const asked: ChangeRequest = record.request;
  await runMigration({
    options: { connection: { url: db.url }, request: asked, onPoint },
    settings: settingsFrom({ cutoverDeadlineMs: 30_000 }),
    control,
    record: (await findMigration(control, record.id)) ?? record,
    fresh,
    turn: firstTurn,
    server: await readServerIdentity(control),
    stale: null,
    emit: createEmitter([]).withId(record.id),
    signal: userSignal({ connection: { url: db.url }, signal }),
  });
}

/** What the application sees, and all of the rows. */
async function inUse(db: TestDatabase): Promise<unknown> {
  const client = await db.connect();
  try {
    const rows: unknown[] = [];
    for (const table of ['customer', 'orders', 'log', 'of_customer'])
      rows.push((await client.query(`select t::text as row from ${table} as t order by 1`)).rows);
    return { catalog: await catalogSnapshot(client, 'public'), rows };
  } finally {
    await client.end();
  }
}

async function ours(db: TestDatabase): Promise<unknown[]> {
  const { rows } = await db.query(`
    select nspname as name from pg_namespace where nspname like 'ghost%'
    union all select tgname from pg_trigger where tgname like 'ghost%'
    union all select relname from pg_class where relnamespace = to_regnamespace('ghost') and relname ~ '_[0-9]+$'
    order by 1`);
  return rows.map(({ name }) => String(name));
}

async function control(db: TestDatabase): Promise<Session> {
  return await Session.open({ own: true, connection: { url: db.url } });
}

test('both are swapped in one commit, as ALTER would have made them, and no write is lost', async () => {
  await using db = await createDatabase(setup);
  await using native = await createDatabase(setup);
  await using session = await control(db);
  const given = await begun(db, session);
  let number = 0;
  const types: unknown[] = [];
  const write = async (): Promise<void> => {
    number += 1;
    for (const each of [db, native]) await each.query(written(number));
    const { rows } = await db.query(
      `select string_agg(atttypid::regtype::text, ' ' order by attrelid::regclass::text) as types
      from pg_attribute where attrelid in ('customer'::regclass, 'orders'::regclass) and attname = 'id'`,
    );
    if (types.at(-1) !== rows[0]?.types) types.push(rows[0]?.types);
  };
  const at: readonly Point[] = ['capture-on', 'chunk-copied', 'copied', 'purged', 'verified', 'swapped'];
  await run(db, given, {
    onPoint: async (point) => {
      if (at.includes(point)) await write();
    },
  });
  await write();
  expect(number).toBeGreaterThan(8);
  // Never one of them without the other.
  expect(types).toEqual(['integer integer', 'bigint bigint']);
  // What the view reads cannot be altered below it.
  await native.query('drop view of_customer');
  for (const table of names) await native.query(`alter table ${table} ${changes[table].join(', ')}`);
  await native.query(view);
  expect(await ours(db)).toEqual([
    'ghost',
    'ghost_capture_1_2_back',
    'ghost_capture_1_back',
    'ghost_capture_truncate_1_2_back',
    'ghost_capture_truncate_1_back',
    'ghost_new_1',
    'ghost_new_1_2',
    'ghost_old_1',
    'ghost_old_1_2',
  ]);
  // As long as it lives it is the runner's.
  await session.close();
  await finalize({ connection: { url: db.url } }, 1);
  expect(await inUse(db)).toEqual(await inUse(native));
  expect(await ours(db)).toEqual(['ghost']);
});

/** Ends the run there, by the user's wish. */
async function stopAt(db: TestDatabase, given: Given, at: Point, nth: number, fresh: boolean): Promise<void> {
  const stop = new AbortController();
  let times = 0;
  const error = await failure(
    run(db, given, {
      fresh,
      signal: stop.signal,
      onPoint: async (point) => {
        if (point === at && (times += 1) === nth) stop.abort();
      },
    }),
  );
  expect(error).toMatchObject({ code: 'interrupted' });
}

test('stopped while it copies the second, continued, stopped again and aborted: both are as they were, with every write', async () => {
  await using db = await createDatabase(setup);
  await using untouched = await createDatabase(setup);
  const both = async (number: number): Promise<void> => {
    for (const each of [db, untouched]) await each.query(written(number));
  };
  await using first = await control(db);
  const given = await begun(db, first);
  await stopAt(db, given, 'copied', 1, true);
  await first.close();
  await both(1);
  await using second = await control(db);
  await stopAt(db, { ...given, control: second }, 'indexes-attached', 2, false);
  await both(2);
  expect((await ours(db)).length).toBeGreaterThan(8);
  await abort({ connection: { url: db.url } }, 1);
  expect(await ours(db)).toEqual(['ghost']);
  expect(await inUse(db)).toEqual(await inUse(untouched));
});

test('stopped before the swap and continued by another process: swapped as a whole', async () => {
  await using db = await createDatabase(setup);
  await using untouched = await createDatabase(setup);
  await using first = await control(db);
  const given = await begun(db, first);
  await stopAt(db, given, 'cutover-ready', 1, true);
  await first.close();
  for (const each of [db, untouched]) await each.query(written(1));
  await using second = await control(db);
  await run(db, { ...given, control: second }, { fresh: false });
  for (const each of [db, untouched]) await each.query(written(2));
  const rows = async (of: TestDatabase): Promise<unknown> =>
    (
      await of.query(
        `select c::text as c, o::text as o from customer as c full join orders as o on c.id = o.customer order by 1, 2`,
      )
    ).rows;
  expect(await rows(db)).toEqual(await rows(untouched));
  const { rows: phases } = await db.query('select phase from ghost.migrations');
  expect(phases).toEqual([{ phase: 'swapped' }]);
});

test('both go back in one commit, and forward again, with what was written meanwhile', async () => {
  await using db = await createDatabase(setup);
  await using untouched = await createDatabase(setup);
  const both = async (number: number): Promise<void> => {
    for (const each of [db, untouched]) await each.query(written(number));
  };
  await using session = await control(db);
  await run(db, await begun(db, session));
  await session.close();
  const connection = { url: db.url };
  await both(1);
  await rollback({ connection }, 1);
  await both(2);
  await rollforward({ connection }, 1);
  await both(3);
  await rollback({ connection }, 1);
  await both(4);
  await finalize({ connection }, 1);
  expect(await inUse(db)).toEqual(await inUse(untouched));
  expect(await ours(db)).toEqual(['ghost']);
});
