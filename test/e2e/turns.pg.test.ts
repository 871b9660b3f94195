/** What the application, its owners and its users do between the swap and the way back: it comes back with it, or is refused by name. */
import { describe, expect, test } from 'vitest';
import {
  abort,
  finalize,
  rollback,
  rollforward,
  status,
  sync,
  type MigrateOptions,
  type RunSettings,
} from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, swapChange, type ChangeInput } from '../support/migration.js';

const setup = `
  create table customers (id int primary key);
  insert into customers select n from generate_series(1, 20) as n;
  create table orders (id serial primary key, customer int references customers, note text);
  insert into orders (customer, note) select 1 + n % 10, 'n' || n from generate_series(1, 500) as n;
  create table items (orders int references orders on delete cascade, what text);
  insert into items select n, 'w' from generate_series(1, 50) as n;`;
const change: ChangeInput = { table: 'orders', alter: ['alter column id type bigint'] };
const settings: Partial<RunSettings> = { cutoverDeadlineMs: 30_000 };

async function swapped(
  given: ChangeInput = change,
  sql = setup,
  options: Partial<MigrateOptions> = {},
): Promise<TestDatabase> {
  const db = await createDatabase(sql);
  try {
    await swapChange(db, given, options);
    return db;
  } catch (error) {
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

const of = ({ url }: TestDatabase) => ({ connection: { url }, settings });

async function rows(db: TestDatabase): Promise<unknown> {
  return (await db.query('select o::text as row from orders as o order by 1')).rows;
}
async function phase(db: TestDatabase): Promise<unknown> {
  return (await db.query('select phase from ghost.migrations')).rows[0]?.['phase'];
}
async function typeOfId(db: TestDatabase): Promise<unknown> {
  const { rows: found } = await db.query(
    `select atttypid::regtype::text as type from pg_attribute where attrelid = 'orders'::regclass and attname = 'id'`,
  );
  return found[0]?.['type'];
}

describe('written since', () => {
  test('parents and rows with children are deleted, in both states: nobody is in the way', async () => {
    await using db = await swapped();
    await db.query(`delete from orders where customer = 3; delete from customers where id = 3 or id > 10`);
    await db.query(
      `insert into customers values (30); insert into orders (customer, note) values (30, 'x'); insert into items select max(id), 'y' from orders`,
    );
    let before = await rows(db);
    await rollback(of(db), 1);
    expect(await rows(db)).toEqual(before);
    await db.query(`delete from orders where customer in (4, 30); delete from customers where id in (4, 30)`);
    before = await rows(db);
    await rollforward(of(db), 1);
    expect(await rows(db)).toEqual(before);
    const { rows: invalid } = await db.query(`select from pg_constraint where not convalidated`);
    expect(invalid).toEqual([]);
    await expect(db.query('insert into orders (customer) values (4)')).rejects.toThrow('foreign key');
    await expect(db.query('insert into items values (3000)')).rejects.toThrow('foreign key');
  });

  test('TRUNCATE, in both states, and rows that were in the log before it', async () => {
    await using db = await swapped();
    for (const turn of [rollback, rollforward, rollback]) {
      await db.query(`update orders set note = note || '+' where id < 400`);
      await db.query(`truncate orders cascade`);
      await db.query(`insert into orders values (5, 5, 'again'), (6, 6, 'again')`);
      const before = await rows(db);
      await turn(of(db), 1);
      expect(await rows(db)).toEqual(before);
    }
  });

  test('sequences go on where they were, there and back', async () => {
    await using db = await swapped();
    const next = async (): Promise<number> =>
      Number((await db.query(`insert into orders (note) values ('n') returning id`)).rows[0]?.['id']);
    expect(await next()).toBe(501);
    await rollback(of(db), 1);
    expect(await next()).toBe(502);
    await rollforward(of(db), 1);
    expect(await next()).toBe(503);
    await rollback(of(db), 1);
    expect(await next()).toBe(504);
  });

  test('ids that the old key has no room for: named, the application goes on, and corrected rows let it through', async () => {
    await using db = await swapped();
    await db.query(`insert into orders values (3000000000, 1, 'big'), (7000000000, 1, 'big')`);
    const error = await failure(rollback(of(db), 1));
    expect(error).toMatchObject({ code: 'row-does-not-fit', exitCode: 1 });
    expect(error.message).toMatch(/3000000000|7000000000/);
    expect(JSON.stringify(error.told)).not.toMatch(/abort|shadow/);
    expect(await phase(db)).toBe('swapped');
    await db.query(
      `update orders set note = 'goes on' where id > 490; insert into orders (note) values ('goes on')`,
    );
    expect((await failure(sync(of(db), 1))).code).toBe('row-does-not-fit');
    await db.query(
      `update orders set id = 10000 where id = 3000000000; delete from orders where id = 7000000000`,
    );
    const before = await rows(db);
    await rollback(of(db), 1);
    expect(await rows(db)).toEqual(before);
    expect(await typeOfId(db)).toBe('integer');
  });

  for (const [name, key] of [
    ['a serial', 'serial'],
    ['an identity', 'int generated always as identity'],
  ] as const) {
    test(`${name} that has passed the old type's end is said before anything is exchanged`, async () => {
      await using db = await swapped(
        change,
        `create table orders (id ${key} primary key, note text); insert into orders (note) values ('a')`,
      );
      await db.query(`select setval(pg_get_serial_sequence('orders', 'id'), 3000000000)`);
      const points: string[] = [];
      const error = await failure(rollback({ ...of(db), onPoint: (point) => void points.push(point) }, 1));
      expect(error.message).toMatch(/sequence/);
      expect(error).toMatchObject({ code: expect.stringMatching(/^(?!server-error)/) });
      expect(points).not.toContain('cutover-locked');
      expect(await phase(db)).toBe('swapped');
      await db.query(`select setval(pg_get_serial_sequence('orders', 'id'), 3000)`);
      await rollback(of(db), 1);
      await db.query(`insert into orders (note) values ('b')`);
      expect(await rows(db)).toEqual([{ row: '(1,a)' }, { row: '(3001,b)' }]);
    });
  }

  test('by a role that may do nothing else, on an empty path, past triggers, under row security', async () => {
    await using db = await createDatabase(setup);
    const role = await db.createRole();
    await db.query(`
      grant select, insert, update, delete, truncate on orders to ${role.name};
      grant usage on sequence orders_id_seq to ${role.name};
      alter table orders enable row level security;
      create policy even on orders using (id % 2 = 0) with check (id % 2 = 0)`);
    await swapChange(db, change);
    for (const turn of [rollback, rollforward]) {
      const client = await db.connect(role.url);
      await client.query(`set search_path = ''`);
      await client.query(`
        insert into public.orders values (9002, 1, 'mine');
        update public.orders set note = 'changed' where id < 100;
        update public.orders set id = 9004 where id = 9002;
        delete from public.orders where id in (2, 9004)`);
      await client.query(
        `select set_config('search_path', 'pg_temp', false); create temp table log_1_back (k1 text)`,
      );
      await client.query(`update public.orders set note = note || '.' where id between 100 and 110`);
      await client.end();
      const replica = await db.connect();
      await replica.query(
        `set session_replication_role = replica; update orders set note = 'replica' where id = 301`,
      );
      await replica.end();
      const before = await rows(db);
      await turn(of(db), 1);
      expect(await rows(db)).toEqual(before);
      await db.query(`insert into orders values (2, 2, 'back')`);
    }
  });
});

describe('altered since: refused by name before anything is done, and nothing is lost', () => {
  const cases: readonly {
    readonly name: string;
    readonly ddl: string;
    readonly undo: string;
    readonly code?: string;
  }[] = [
    {
      name: 'a column',
      ddl: 'alter table orders add column more int default 3',
      undo: 'alter table orders drop column more',
    },
    { name: 'an index', ddl: 'create index more on orders (note)', undo: 'drop index more' },
    {
      name: 'a trigger',
      ddl: `create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger more before update on orders for each row execute function f()`,
      undo: 'drop function f() cascade',
    },
    { name: 'a grant', ddl: 'grant select on orders to public', undo: 'revoke select on orders from public' },
    {
      name: 'a column grant',
      ddl: 'grant select (note) on orders to public',
      undo: 'revoke select (note) on orders from public',
    },
    { name: 'a view', ddl: 'create view more as select id from orders', undo: 'drop view more' },
    { name: 'a policy', ddl: 'create policy more on orders', undo: 'drop policy more on orders' },
    {
      name: 'a check',
      ddl: 'alter table orders add constraint more check (id > 0)',
      undo: 'alter table orders drop constraint more',
    },
    {
      name: 'a foreign key in',
      ddl: 'create table child (o bigint references orders)',
      undo: 'drop table child',
    },
    {
      name: 'a foreign key out',
      ddl: 'alter table orders add constraint more foreign key (customer) references customers',
      undo: 'alter table orders drop constraint more',
    },
    {
      name: 'a default',
      ddl: `alter table orders alter note set default 'x'`,
      undo: 'alter table orders alter note drop default',
    },
    { name: 'a comment', ddl: `comment on table orders is 'more'`, undo: 'comment on table orders is null' },
    {
      name: 'statistics',
      ddl: 'create statistics more on customer, note from orders',
      undo: 'drop statistics more',
    },
    {
      name: 'an option',
      ddl: 'alter table orders set (fillfactor = 70)',
      undo: 'alter table orders reset (fillfactor)',
    },
    { name: 'a publication', ddl: 'create publication more for table orders', undo: 'drop publication more' },
    {
      name: 'a replica identity',
      ddl: 'alter table orders replica identity full',
      undo: 'alter table orders replica identity default',
    },
    {
      name: 'a rule',
      ddl: 'create rule more as on insert to orders do also notify more',
      undo: 'drop rule more on orders',
    },
    {
      name: 'another name',
      ddl: 'alter table orders rename to others',
      undo: 'alter table others rename to orders',
      code: 'source-renamed',
    },
    {
      name: 'another name of a column',
      ddl: 'alter table orders rename note to notes',
      undo: 'alter table orders rename notes to note',
    },
    {
      name: 'a function that returns its rows',
      ddl: `create function g() returns setof orders language sql as 'select * from orders'`,
      undo: 'drop function g()',
    },
    {
      name: 'a materialized view',
      ddl: 'create materialized view more as select id from orders',
      undo: 'drop materialized view more',
    },
    {
      name: 'the kept table: a column',
      ddl: 'alter table ghost_old_1.orders add more int',
      undo: 'alter table ghost_old_1.orders drop more',
      code: 'kept-table-altered',
    },
    {
      name: 'the kept table: moved',
      ddl: 'alter table ghost_old_1.orders set schema mine',
      undo: 'alter table mine.orders set schema ghost_old_1',
      code: 'kept-table-gone',
    },
  ];
  const codeOf = (error: Record<string, unknown>): unknown =>
    (error['reasons'] as { code: string }[] | undefined)?.[0]?.code ?? error['code'];

  test('each of them', async () => {
    await using db = await swapped();
    await db.query(`create schema mine; update orders set note = 'since' where id < 10`);
    const before = await rows(db);
    const wrong: unknown[] = [];
    for (const { name, ddl, undo, code = 'altered-since-swap' } of cases) {
      await db.query(ddl);
      const points: string[] = [];
      let found: unknown = 'it was rolled back';
      try {
        await rollback(
          {
            ...of(db),
            settings: { ...settings, retryForMs: 0, cutoverDeadlineMs: 3000 },
            onPoint: (point) => void points.push(point),
          },
          1,
        );
      } catch (error) {
        found = codeOf(error as Record<string, unknown>);
        if (/ghost_capture/.test(String((error as Error).message)) && name !== 'our trigger disabled')
          found = (error as Error).message;
      }
      if (found !== code || points.includes('caught-up')) wrong.push([name, found, points]);
      if ((await phase(db)) !== 'swapped') {
        wrong.push([name, 'forward again']);
        await rollforward(of(db), 1);
      }
      await db.query(undo);
    }
    expect(wrong).toEqual([]);
    await rollback(of(db), 1);
    expect(await rows(db)).toEqual(before);
  });

  test('our trigger disabled for a moment: what was written then nobody knows', async () => {
    await using db = await swapped();
    await db.query('alter table orders disable trigger ghost_capture_1_back');
    await db.query('alter table orders enable always trigger ghost_capture_1_back');
    const error = await failure(rollback(of(db), 1));
    expect(error).toMatchObject({ code: 'capture-interrupted' });
    expect(await phase(db)).toBe('swapped');
  });

  test('right behind the swap, before the runner that died there had looked', async () => {
    await using db = await createDatabase(setup);
    for (const ddl of [
      'alter table orders add column more int default 3',
      'create index more on orders (note)',
      'create policy more on orders',
      'create view more as select id from orders',
    ]) {
      await using one = await db.clone();
      const stop = new AbortController();
      await failure(
        swapChange(one, change, {
          signal: stop.signal,
          onPoint: (point) => {
            if (point === 'swapped') throw new Error('dies');
          },
        }),
      );
      expect(await phase(one)).toBe('swapped');
      await one.query(ddl);
      const error = await failure(rollback(of(one), 1));
      expect(codeOf(error), ddl).toBe('altered-since-swap');
      expect(await phase(one)).toBe('swapped');
    }
  });

  test('the kept table dropped: said, the application goes on, and finalize clears', async () => {
    await using db = await swapped();
    await db.query('drop table ghost_old_1.orders');
    await db.query(`insert into orders (note) values ('goes on')`);
    expect(codeOf(await failure(rollback(of(db), 1)))).toBe('kept-table-gone');
    await finalize(of(db), 1);
    await db.query(`insert into orders (note) values ('goes on')`);
    expect(await phase(db)).toBe('finalized');
  });
});

describe('commands', () => {
  const codeOf = (error: Record<string, unknown>): unknown =>
    (error['reasons'] as { code: string }[] | undefined)?.[0]?.code ?? error['code'];

  test('while one is at work no other begins', async () => {
    await using db = await swapped();
    const codes: unknown[] = [];
    await rollback(
      {
        ...of(db),
        onPoint: async (point) => {
          if (point !== 'verified') return;
          for (const other of [rollback, rollforward, sync])
            codes.push(codeOf(await failure(other(of(db), 1))));
          codes.push(codeOf(await failure(finalize(of(db), 1))));
          codes.push(codeOf(await failure(swapChange(db, change))));
          codes.push(codeOf(await failure(abort({ connection: { url: db.url } }, 1))));
        },
      },
      1,
    );
    expect(codes).toEqual([
      'already-running',
      expect.stringMatching(/already-running|already-swapped/),
      'already-running',
      'already-running',
      'already-running',
      expect.stringMatching(/already-swapped|already-running/),
    ]);
    expect(await phase(db)).toBe('rolled-back');
  });

  test('run and abort in both states say what there is', async () => {
    await using db = await swapped();
    expect((await swapChange(db, change)).result).toMatchObject({ id: 1 });
    const another: ChangeInput = { table: 'orders', alter: ['alter column note type varchar(9)'] };
    const codes = [
      codeOf(await failure(abort({ connection: { url: db.url } }, 1))),
      codeOf(await failure(swapChange(db, another))),
    ];
    expect(codes).toEqual(['already-swapped', 'not-finalized']);
    await rollback(of(db), 1);
    const backCodes = [
      codeOf(await failure(swapChange(db, change))),
      codeOf(await failure(swapChange(db, another))),
      codeOf(await failure(abort({ connection: { url: db.url } }, 1))),
    ];
    expect(backCodes).toEqual(['rolled-back', 'rolled-back', 'rolled-back']);
  });

  test('rehearsed: nothing is exchanged, and it looks again', async () => {
    await using db = await swapped();
    await db.query(`update orders set note = 'since' where id < 10`);
    const error = await failure(rollback({ ...of(db), settings: { ...settings, rehearse: true } }, 1));
    expect(error).toMatchObject({ code: 'rehearsed' });
    expect(await phase(db)).toBe('swapped');
    for (let n = 0; n < 3; n += 1) await db.query(`update orders set note = note where id = 7`);
    expect((await db.query('select count(*)::int as n from ghost.log_1_back')).rows).toEqual([{ n: 1 }]);
    await rollback(of(db), 1);
    expect(await typeOfId(db)).toBe('integer');
  });

  test('without a window nothing of ours is on the new table, and no way back is said', async () => {
    await using db = await swapped(change, setup, { settings: { withoutRollbackWindow: true } });
    const { rows: triggers } = await db.query(`select tgname from pg_trigger where tgname like 'ghost%'`);
    expect(triggers).toEqual([]);
    const { rows: relations } = await db.query(
      `select relname from pg_class where relnamespace = 'ghost'::regnamespace and relname ~ '_1(_|$)' union all select proname from pg_proc where pronamespace = 'ghost'::regnamespace`,
    );
    expect(relations).toEqual([]);
    expect(codeOf(await failure(rollback(of(db), 1)))).toBe('no-rollback-window');
    expect(codeOf(await failure(sync(of(db), 1)))).toBe('no-rollback-window');
  });

  test('status tells of both states', async () => {
    await using db = await swapped();
    await db.query('update orders set note = note');
    expect((await status({ connection: { url: db.url } }))[0]).toMatchObject({ phase: 'swapped' });
    await rollback(of(db), 1);
    expect((await status({ connection: { url: db.url } }))[0]).toMatchObject({ phase: 'rolled-back' });
  });
});

test('an event trigger of the database sees no statement fail', async () => {
  await using db = await swapped(
    change,
    `${setup}
     create table seen (what text);
     create function see() returns event_trigger language plpgsql as $$ begin insert into public.seen values (tg_tag); end $$;
     create event trigger see on ddl_command_end execute function see();`,
  );
  await db.query(`update orders set note = 'since' where id < 10`);
  const before = await rows(db);
  await rollback(of(db), 1);
  await rollforward(of(db), 1);
  expect(await rows(db)).toEqual(before);
});

test('captured from the WAL, and then rolled back', async () => {
  await using db = await swapped(change, setup, { settings: { capture: 'logical' } });
  await db.query(`update orders set note = 'since' where id < 10; delete from orders where id = 20`);
  const before = await rows(db);
  await rollback(of(db), 1);
  expect(await rows(db)).toEqual(before);
  await db.query(`update orders set note = 'later' where id = 30`);
  const later = await rows(db);
  await rollforward(of(db), 1);
  expect(await rows(db)).toEqual(later);
});
