/**
 * What is ours is told by identity and what is the user's by its OID, never by a name: taken names, tables that are renamed or
 * moved at any time, states that came with a dump or a copy, and names of every spelling.
 */
import { doing } from '../../src/advice.js';
import { describe, expect, test } from 'vitest';
import { abort, finalize, plan as makePlan, status, type MigrationStatus } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import {
  captureUnderTest,
  failure,
  request,
  runChange,
  stopAfterCopy,
  type ChangeInput,
} from '../support/migration.js';

const change: ChangeInput = { table: 'app.orders', alter: ['alter column id type bigint'] };

const setup = `
  create schema app;
  create table app.customers (id int primary key);
  insert into app.customers values (1);
  create table app.orders (id serial primary key, customer int references app.customers default 1, note text);
  insert into app.orders (note) select 'note ' || n from generate_series(1, 300) as n;
  create table app.items (order_id int references app.orders);
  insert into app.items values (7);`;

const at = (db: TestDatabase): { connection: { url: string } } => ({ connection: { url: db.url } });

async function only(db: TestDatabase, id = 1): Promise<MigrationStatus | undefined> {
  return (await status(at(db), id))[0];
}

/** All that could be ours, by the names that we use. */
async function ours(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ what: string }>(`
    select 'schema ' || nspname as what from pg_namespace where nspname like 'ghost\\_%'
    union all select format('trigger on %s', tgrelid::regclass) from pg_trigger where tgname like 'ghost\\_%'
    union all select 'function ' || proname from pg_proc where pronamespace = to_regnamespace('ghost')
    union all select 'table ' || relname from pg_class
      where relnamespace = to_regnamespace('ghost') and relname ~ '^(log|pending|truncations)_'
    union all select 'publication ' || pubname from pg_publication where pubname like 'ghost\\_%'
    union all select 'slot ' || slot_name from pg_replication_slots where database = current_database()
    union all select 'type ' || typname from pg_type where typnamespace = to_regnamespace('ghost') and typname ~ '^key_'
    order by what`);
  return rows.map(({ what }) => what);
}

/** Quoted where they must be, with their numbers of rows. */
async function tables(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ line: string }>(`
    select format('%s %s', c.oid::regclass,
      (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %s', c.oid::regclass), false, true, '')))[1]) as line
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('ghost', 'pg_catalog', 'information_schema')
    order by c.oid::regclass::text collate "C"`);
  return rows.map(({ line }) => line);
}

describe('names that others have', () => {
  test("the next number is taken for which no name is anybody's, and nothing of theirs is touched", async () => {
    await using db = await createDatabase(`
      ${setup}
      create schema ghost_old_1; create table ghost_old_1.orders (mine int); insert into ghost_old_1.orders values (1);
      create schema ghost_new_2; create table ghost_new_2.orders (mine int); insert into ghost_new_2.orders values (1);
      comment on schema ghost_new_2 is 'pg-ghost: migration 2, shadow, 11111111-1111-1111-1111-111111111111';
      create function app.nothing() returns trigger language plpgsql as 'begin return null; end';
      create trigger ghost_capture_3 after insert on app.customers for each row execute function app.nothing();`);
    const before = await tables(db);
    const { result } = await runChange(db, change);
    expect(result).toMatchObject({ id: 4, old: 'ghost_old_4.orders' });
    await finalize(at(db), 4);
    expect(await tables(db)).toEqual(before);

    // A migration whose state is gone: what it keeps for a way back is not the next one's.
    const again = await runChange(db, { ...change, alter: ['alter column id type numeric'] });
    expect(again.result).toMatchObject({ id: 5 });
    await db.query('drop schema ghost cascade');
    const third = await runChange(db, {
      ...change,
      alter: ['alter column note type varchar(80) using note'],
    });
    expect(third.result).toMatchObject({ id: 4, old: 'ghost_old_4.orders' });
    expect(await tables(db)).toEqual(
      [...before, 'ghost_old_4.orders 300', 'ghost_old_5.orders 300'].toSorted(),
    );
    expect(await failure(abort(at(db), 5))).toMatchObject({
      reasons: [{ code: 'state-missing', message: expect.stringContaining('ghost_old_5.orders') as unknown }],
    });
    expect(await ours(db)).toContain('schema ghost_old_5');
  });
});

describe('the source is renamed or moved during a run', () => {
  const moves = [
    {
      how: 'renamed',
      move: 'alter table app.orders rename to "Orders ""2"""',
      back: 'alter table app."Orders ""2""" rename to orders',
      name: 'app."Orders ""2"""',
    },
    {
      how: 'moved to another schema',
      move: 'create schema if not exists b; alter table app.orders set schema b',
      back: 'alter table b.orders set schema app',
      name: 'b.orders',
    },
    {
      how: 'in a schema that is renamed',
      move: 'alter schema app rename to "Äpp"',
      back: 'alter schema "Äpp" rename to app',
      name: '"Äpp".orders',
    },
    {
      how: 'renamed, and another table gets its name',
      move: `alter table app.orders rename to former;
        create table app.orders (id serial primary key, customer int default 1, note text);
        insert into app.orders (note) values ('another'), ('one')`,
      back: 'drop table app.orders; alter table app.former rename to orders',
      name: 'app.former',
    },
  ];
  for (const { how, move, back, name } of moves) {
    test(`${how}: one clear error, status has both names, abort and going on work`, async () => {
      await using db = await createDatabase(setup);
      for (const point of ['chunk-copied', 'cutover-ready'] as const) {
        let moved = false;
        const error = await failure(
          runChange(db, change, {
            onPoint: async (reached) => {
              if (reached !== point || moved) return;
              moved = true;
              await db.query(move);
              // Its key is in the log: applied, it would bring a row of the other table.
              await db.query(`update ${name} set note = 'written' where id = 1`);
            },
          }),
        );
        expect(error).toMatchObject({
          code: 'source-renamed',
          exitCode: 1,
          details: { was: 'app.orders', now: name },
        });
        expect(await only(db)).toMatchObject({ table: 'app.orders', renamedTo: name, origin: 'here' });
        if (point === 'cutover-ready') break;
        // By the new name, or by the old one where nothing else has it.
        expect(await failure(runChange(db, { ...change, table: name }))).toMatchObject({
          code: 'source-renamed',
        });
        await db.query(back);
      }
      const before = await tables(db);
      await abort(at(db), 1);
      expect(await ours(db)).toEqual([]);
      expect(await tables(db)).toEqual(before.filter((line) => !line.startsWith('ghost_')));
      if (how !== 'renamed') return;
      const { result } = await runChange(db, { ...change, table: name });
      expect(result).toMatchObject({ id: 2 });
      await finalize(at(db), 2);
      expect((await db.query(`select count(*)::int as n, min(note) from ${name}`)).rows).toEqual([
        { n: 300, min: 'note 10' },
      ]);
    });
  }

  test('abort, whatever else became of it: columns and capture renamed or dropped, the table or its schema dropped', async () => {
    await using db = await createDatabase();
    for (const [index, what] of [
      'alter table app.orders rename id to key',
      captureUnderTest === 'triggers'
        ? 'alter trigger ghost_capture_2 on app.orders rename to mine'
        : 'alter publication ghost_capture_2 rename to mine',
      'alter schema ghost_new_3 rename to "Shadows"; alter table "Shadows".orders rename to "New one"',
      'drop table app.orders cascade',
      'drop schema app cascade',
      captureUnderTest === 'triggers'
        ? 'drop schema ghost_new_6 cascade; drop function ghost.capture_6() cascade'
        : 'drop schema ghost_new_6 cascade; drop publication ghost_capture_6',
    ].entries()) {
      const id = index + 1;
      await db.query(`drop schema if exists app cascade; ${setup}`);
      await stopAfterCopy(db, change);
      await db.query(what);
      expect(await only(db, id)).toMatchObject({ origin: 'here' });
      await abort(at(db), id);
      expect(await ours(db)).toEqual([]);
      expect(await only(db, id)).toMatchObject({ phase: 'aborted' });
    }
  });
});

describe('renamed or moved after the swap', () => {
  const kept = 'app.customers 1,app.items 1';
  const cases: { how: string; what: string; left: string; warned?: string; code?: string }[] = [
    { how: 'the table', what: 'alter table app.orders rename to "O"', left: `app."O" 300,${kept}` },
    { how: 'its schema', what: 'alter schema app rename to b', left: 'b.customers 1,b.items 1,b.orders 300' },
    {
      how: 'the old table within its schema',
      what: 'alter table ghost_old_ID.orders rename to "X y"',
      left: `${kept},app.orders 300`,
    },
    {
      how: 'the schema of the old table',
      what: 'alter schema ghost_old_ID rename to "Backup 1"',
      left: `${kept},app.orders 300`,
    },
    {
      how: 'the old table, out of our schema',
      what: 'create schema archive; alter table ghost_old_ID.orders set schema archive',
      left: `${kept},app.orders 300,archive.orders 300`,
      warned: 'old-table-kept',
    },
    {
      how: 'both, back by hand',
      what: 'create schema z; alter table app.orders set schema z; alter table ghost_old_ID.orders set schema app',
      left: `${kept},app.orders 300,z.orders 300`,
      warned: 'old-table-kept',
    },
    {
      how: 'away, and another table has its name in our schema',
      what: 'drop table ghost_old_ID.orders cascade; create table ghost_old_ID.orders (mine int)',
      left: `${kept},app.orders 300,ghost_old_ID.orders 0`,
      code: 'old-table-not-dropped',
    },
  ];
  test('finalize drops the old table and nothing else', async () => {
    await using db = await createDatabase();
    for (const [index, { how, what, left, warned, code }] of cases.entries()) {
      const id = index + 1;
      const named = (text: string): string => text.replaceAll('ID', String(id));
      await db.query(`drop schema if exists app, b, z, archive cascade; ${setup}`);
      await runChange(db, change);
      await db.query(named(what));
      const codes: string[] = [];
      const ended = finalize(
        {
          ...at(db),
          onEvent: (event) => {
            if (event.event === 'warning') codes.push(event.code);
          },
        },
        id,
      );
      if (code === undefined) await ended;
      else {
        expect(await failure(ended), how).toMatchObject({
          code,
          message: expect.stringContaining(named('table ghost_old_ID.orders')) as unknown,
        });
      }
      expect((await tables(db)).join(), how).toBe(named(left));
      expect(codes, how).toEqual(warned === undefined ? [] : [warned]);
      expect(await only(db, id), how).toMatchObject({ phase: code === undefined ? 'finalized' : 'swapped' });
    }
  });

  test('while the swap is being completed: keys are validated, views refreshed', async () => {
    await using db = await createDatabase(
      `${setup} create materialized view app.totals as select count(*) as n from app.orders`,
    );
    await runChange(
      db,
      { ...change, matviews: 'recreate' },
      {
        onPoint: async (point) => {
          if (point === 'swapped')
            await db.query('alter schema app rename to b; alter table b.orders rename to o');
        },
      },
    );
    const { rows } = await db.query(
      `select conname, convalidated from pg_constraint where contype = 'f' and connamespace = 'b'::regnamespace order by 1`,
    );
    expect(rows).toEqual([
      { conname: 'items_order_id_fkey', convalidated: true },
      { conname: 'orders_customer_fkey', convalidated: true },
    ]);
    expect((await db.query('select n::int from b.totals')).rows).toEqual([{ n: 300 }]);
  });
});

describe('a state that was not made in this database', () => {
  /** What a restored dump is to us: the same rows and comments, under other OIDs, on another server. */
  const asRestored = `
    update ghost.tables set
      source_oid = source_oid::bigint + 1000000, shadow_oid = shadow_oid::bigint + 1000000,
      shadow_schema_oid = shadow_schema_oid::bigint + 1000000, old_schema_oid = old_schema_oid::bigint + 1000000;
    update ghost.migrations set server = '{"systemIdentifier": "7", "timeline": 1, "databaseOid": 5}'`;
  /** pg_upgrade: tables keep their OIDs, schemas do not. */
  const asUpgraded = `
    update ghost.tables set
      shadow_schema_oid = shadow_schema_oid::bigint + 1000000, old_schema_oid = old_schema_oid::bigint + 1000000;
    update ghost.migrations set server = server || '{"systemIdentifier": "7"}'`;
  const ways = [
    { how: 'restored from a dump', made: asRestored, origin: 'restored', code: 'state-from-elsewhere' },
    {
      how: 'a dump restored over the database',
      made: `${asRestored.split(';')[0]}`,
      origin: 'restored',
      code: 'state-from-elsewhere',
    },
    { how: 'upgraded', made: asUpgraded, origin: 'copied', code: 'another-server' },
    { how: 'copied from a template', made: 'select 1', origin: 'copied', code: 'state-from-elsewhere' },
  ] as const;

  test('before the swap: status says so, run refuses, abort removes it, run works', async () => {
    await using original = await createDatabase(setup);
    await stopAfterCopy(original, change);
    for (const { how, made, origin, code } of ways) {
      await using db = await original.clone();
      if (how === 'a dump restored over the database') {
        await db.query(`update ghost.migrations set server = jsonb_set(server, '{databaseOid}',
          (select to_jsonb(oid::bigint) from pg_database where datname = current_database()))`);
      }
      await db.query(made);
      expect(await only(db), how).toMatchObject({ origin, table: 'app.orders', renamedTo: null });
      expect(await failure(runChange(db, change)), how).toMatchObject({
        code,
        exitCode: 3,
      });
      await abort(at(db), 1);
      expect(await ours(db), how).toEqual([]);
      if (how !== 'restored from a dump') continue;
      expect((await runChange(db, change)).result, how).toMatchObject({ id: 2 });
    }
    // The original knows nothing of all that.
    expect(await only(original)).toMatchObject({ origin: 'here' });
    expect((await runChange(original, change)).result).toMatchObject({ id: 1 });

    for (const { how, made } of ways.filter(({ how: way }) => way !== 'a dump restored over the database')) {
      await using db = await original.clone();
      await db.query(made);
      expect(await failure(runChange(db, change)), how).toMatchObject({ code: 'state-from-elsewhere' });
      await finalize(at(db), 1);
      expect(await ours(db), how).toEqual([]);
      expect(await tables(db), how).toEqual(['app.customers 1', 'app.items 1', 'app.orders 300']);
    }
  });

  test('only a part of it came along: plan names the capture, abort goes by the marks', async () => {
    await using db = await createDatabase(setup);
    await stopAfterCopy(db, change);
    await db.query('delete from ghost.migrations');
    const plan = await makePlan({ ...at(db), request: request(change) });
    expect(plan.reasons).toMatchObject([
      {
        code: 'leftover-capture',
        message: expect.stringContaining(
          captureUnderTest === 'triggers'
            ? '"ghost_capture_1", "ghost_capture_truncate_1"'
            : '"ghost_capture_1"',
        ) as unknown,
        hint: { say: expect.arrayContaining([doing('abort', 1)]) as unknown },
      },
    ]);
    await abort(at(db), 1);
    expect(await ours(db)).toEqual([]);
    expect(await tables(db)).toEqual(['app.customers 1', 'app.items 1', 'app.orders 300']);
    await runChange(db, change);
  });
});

test('roles, schemas, tables and all that hangs on them, with quotes, capitals, blanks and accents', async () => {
  await using db = await createDatabase();
  const role = await db.createRole();
  const odd = `Ünï "R" x ${role.name}`;
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  await db.query(`
    alter role ${role.name} rename to ${quoted(odd)};
    alter role ${quoted(odd)} password '${role.password}';
    grant create on database ${db.name} to ${quoted(odd)}`);
  const url = db.urlFor(odd, role.password);
  try {
    const owner = await db.connect(url);
    await owner.query(`
      create schema "S ""1"".x";
      set search_path = "S ""1"".x";
      create table "T'a ""b"".c" ("Id ""é" serial primary key, "Ü n" text default 'a', "sel ect" int unique);
      insert into "T'a ""b"".c" ("sel ect") select generate_series(1, 300);
      create index "I ""x" on "T'a ""b"".c" ("Ü n");
      create view "V ""w" as select * from "T'a ""b"".c";
      create materialized view "M.v" as select count(*) as n from "T'a ""b"".c";
      create table "Re f" (r int references "T'a ""b"".c");
      create function "F.n"() returns trigger language plpgsql as 'begin return new; end';
      create trigger "Tr g" before insert on "T'a ""b"".c" for each row execute function "F.n"();
      create policy "Po ""l" on "T'a ""b"".c" to ${quoted(odd)} using (true);
      create statistics "St a" on "Ü n", "sel ect" from "T'a ""b"".c"`);
    const hard: ChangeInput = {
      table: `"S ""1"".x"."T'a ""b"".c"`,
      alter: ['alter column "Id ""é" type bigint'],
      matviews: 'recreate',
    };
    const plan = await makePlan({ connection: { url }, request: request(hard), rehearse: true });
    expect(plan).toMatchObject({ verdict: 'copy', rehearsal: { ok: true } });
    await stopAfterCopy({ url }, hard);
    await abort({ connection: { url } }, 1);
    expect(await ours(db)).toEqual([]);
    const { result } = await runChange({ url }, hard);
    expect(result).toMatchObject({ id: 2, rows: 300, old: `ghost_old_2."T'a ""b"".c"` });
    await finalize({ connection: { url } }, 2);
    expect(await ours(db)).toEqual([]);
    await owner.end();
  } finally {
    await db.query(`alter role ${quoted(odd)} rename to ${role.name}`);
  }
});
