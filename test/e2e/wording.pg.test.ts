/**
 * Nothing is decided by a text made for people: a run goes on when the server describes its objects in another language than
 * when it began, and when the texts in the state are others. The embedded servers have no translations, so the description of
 * every object is made another one in the database itself, as another `lc_messages` makes it.
 */
import { expect, test } from 'vitest';
import { abort, finalize, migrate, status, verify, type MigrationEvent } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAfterCopy } from '../support/migration.js';

/** With all that is described by the server: objects, the way to them, and what uses a view, a function or the row type. */
const setup = `
  create table t (id serial primary key, v varchar(20), n integer not null default 1);
  create table child (t_id integer references t);
  create table named (r regclass default 't'::regclass);
  create view v1 as select id, v from t;
  create view v2 as select v from v1;
  create function of_view(r v1) returns integer language sql as 'select 1';
  create function of_row(r t) returns text language sql as 'select r.v';
  create function body() returns bigint language sql return (select count(*) from t);
  create function trg() returns trigger language plpgsql as 'begin return new; end';
  create trigger tr before insert on t for each row execute function trg();
  create policy p on t using (id > 0);
  create rule r as on delete to t where old.id < 0 do instead nothing;
  create statistics s on n, v from t;
  create publication them for table t;
  insert into t (v) select 'v' || i from generate_series(1, 3000) as i;`;

const change = { table: 't', alter: ['ALTER COLUMN n TYPE bigint'] };
const late = `
  create view v3 as select id from t;
  create trigger late before update on t for each row execute function trg();
  drop policy p on t;
  create index late on t (v)`;

/** Whoever asks for the description of an object gets another text from now on; messages are set to another locale besides. */
async function translate(db: TestDatabase): Promise<void> {
  await db.query(`
    set allow_system_table_mods = on;
    update pg_proc set proname = 'describe_untranslated' where oid = 'pg_describe_object'::regproc;
    create function pg_catalog.pg_describe_object(oid, oid, integer) returns text stable strict language sql
    as $$ select 'Objekt «' || reverse(pg_catalog.describe_untranslated($1, $2, $3)) || '»' $$;
    alter database ${db.name} set lc_messages = 'POSIX'`);
}

async function translateBack(db: TestDatabase): Promise<void> {
  await db.query(`
    set allow_system_table_mods = on;
    drop function pg_catalog.pg_describe_object(oid, oid, integer);
    update pg_proc set proname = 'pg_describe_object' where oid = 'describe_untranslated'::regproc`);
}

const followed = (events: readonly MigrationEvent[]): readonly (readonly string[])[] =>
  events.flatMap((event) => (event.event === 'source:followed' ? [event.changes] : []));

async function assertLikeNative(db: TestDatabase, clone: TestDatabase): Promise<void> {
  const [ours, native] = [await db.connect(), await clone.connect()];
  expect(await catalogSnapshot(ours, 'public')).toEqual(await catalogSnapshot(native, 'public'));
  expect(await tableRows(ours, 't')).toEqual(await tableRows(native, 't'));
}

test('another language between start and resume, with DDL in between', async () => {
  await using db = await createDatabase(setup);
  await using clone = await db.clone();
  await stopAfterCopy(db, change);
  await translate(db);
  await stopAgain(db, 'before any DDL');
  for (const each of [db, clone]) await each.query(late);
  await clone.query('alter table t alter column n type bigint');
  const { result, events } = await runChange(db, change);
  const [changes, ...more] = followed(events);
  expect(more).toEqual([]);
  // Only what was done is a difference, whatever the rest is called by now.
  expect(changes?.map((text) => text.split(':')[0]).toSorted()).toEqual(
    [
      'index "late" is not expected',
      'policy p',
      'trigger late',
      'view public.v3',
      'Objekt «t.cilbup elbat no etal reggirt»',
      'Objekt «3v.cilbup weiv»',
      'policy p on table public.t',
    ].toSorted(),
  );
  await finalize({ connection: { url: db.url } }, result.id ?? 0);
  await translateBack(db);
  await assertLikeNative(db, clone);
});

/** A run that comes to the next phase, and has not found that anything was altered. */
async function stopAgain(db: TestDatabase, when: string): Promise<void> {
  const stop = new AbortController();
  const events: MigrationEvent[] = [];
  await failure(
    runChange(db, change, {
      signal: stop.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.event === 'phase:started' && event.phase === 'settle') stop.abort();
      },
    }),
  );
  expect(followed(events), when).toEqual([]);
}

test('another wording of what is stored, between start and resume', async () => {
  await using db = await createDatabase(setup);
  await using clone = await db.clone();
  await clone.query('alter table t alter column n type bigint');
  await stopAfterCopy(db, change);
  // Every text in the plan that is for people: what is not is told by its place.
  await db.query(`
    update ghost.tables set plan = jsonb_set(jsonb_set(jsonb_set(plan,
      '{dependents}', (
        select jsonb_agg(d || jsonb_build_object(
          'name', 'anders ' || (d ->> 'name'),
          'via', case when d -> 'via' <> 'null' then (d -> 'via') || '{"name": "anders"}' else 'null' end))
        from jsonb_array_elements(plan -> 'dependents') as d)),
      '{reasons}', (
        select jsonb_agg(r || '{"message": "anders"}' || '{"hint": "anders"}')
        from jsonb_array_elements(plan -> 'reasons') as r)),
      '{definitions,source,views}', (
        select jsonb_agg(jsonb_set(v, '{users}', (
          select coalesce(jsonb_agg(u || '{"name": "anders"}'), '[]') from jsonb_array_elements(v -> 'users') as u)))
        from jsonb_array_elements(plan #> '{definitions,source,views}') as v))`);
  const { rows } = await db.query(
    `select plan #>> '{definitions,source,views,0,users,0,name}' as name from ghost.tables`,
  );
  expect(rows).toEqual([{ name: 'anders' }]);
  const { result, events } = await runChange(db, change);
  expect(followed(events)).toEqual([]);
  await finalize({ connection: { url: db.url } }, result.id ?? 0);
  await assertLikeNative(db, clone);
});

test('what is stored and does not fit ends the run by its name; status and abort need none of it', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  await stopAfterCopy(db, change);
  await db.query(`update ghost.tables set plan = plan - 'lockSet' || '{"steps": [{"phase": "copy"}]}'`);
  const error = await failure(runChange(db, change));
  expect(error).toMatchObject({
    code: 'state-unreadable',
    message: expect.stringMatching(/migration 1 .*plan\.lockSet: .*plan: /),
    hint: expect.stringContaining('abort migration 1'),
  });
  expect(await status({ connection })).toMatchObject([{ id: 1, phase: 'purge' }]);
  await abort({ connection }, 1);
  expect((await db.query(`select count(*)::int as n from t`)).rows).toEqual([{ n: 3000 }]);
  expect((await db.query(`select tgname from pg_trigger where tgname like 'ghost%'`)).rows).toEqual([]);
});

test('what a former version has swapped is compared and finalized', async () => {
  await using db = await createDatabase(
    `${setup} create materialized view stored as select id from t with no data`,
  );
  const connection = { url: db.url };
  const { result } = await runChange(db, { ...change, matviews: 'recreate' });
  const id = result.id ?? 0;
  await db.query(`
    update ghost.tables
    set plan = plan - 'how' - 'statements' || jsonb_build_object(
      'steps', '[{"phase": "copy", "what": "copy it"}]'::jsonb, 'locks', '[]'::jsonb, 'warnings', '[]'::jsonb,
      'obstacles', '[]'::jsonb, 'rollback', '[]'::jsonb, 'endsTheRun', '[]'::jsonb, 'nativeStatements', '[]'::jsonb,
      'dependents', '[{"kind": "view", "name": "view v1", "treatment": "recreated", "why": "so"}]'::jsonb)`);
  expect(await status({ connection })).toMatchObject([{ id, phase: 'swapped' }]);
  expect(await verify({ connection }, id)).toMatchObject({ rows: 3000, differences: 0 });
  // The same command again says that it is done.
  const again = await migrate({ connection, request: request({ ...change, matviews: 'recreate' }) });
  expect(again).toMatchObject({ id, rows: 3000 });
  await finalize({ connection }, id);
  expect(await status({ connection })).toMatchObject([{ id, phase: 'finalized' }]);
});
