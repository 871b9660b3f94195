/**
 * A change that only the catalog would see, on a table with objects that PostgreSQL does not change a column under: they are
 * taken off and put back around it, and the catalog is that of dropping, changing and making them again by hand.
 */
import { nativePlan } from '../plan/copy-plan.js';
import { describe, expect, inject, test } from 'vitest';
import { describePlan, plan, type Plan } from '../../src/index.js';
import { renderPlan } from '../../src/report/plan-text.js';
import { plainLook } from '../../src/report/paint.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure, request, runChange } from '../support/migration.js';

const major = inject('serverMajor');

interface Case {
  readonly name: string;
  /** Objects over `t (id, v varchar(10), n numeric(10,2), ts timestamp(3), w varchar(5))`. */
  readonly setup: string;
  readonly alter: string;
  /** By hand: drop, alter, make again. */
  readonly native: string;
  readonly minMajor?: number;
}

const widen = 'ALTER COLUMN v TYPE varchar(20)';
const table = `
  create table t (id integer primary key, v varchar(10), n numeric(10,2), ts timestamp(3), w varchar(5) not null default '');
  insert into t values (1, 'one', 1.5, '2026-01-01', 'a'), (2, null, 2.25, null, 'b');`;

const viewDefs = {
  plain: `create view "Öffne ""x""" as select id, v from t where v is not null`,
  filter: `create view only_filter as select id from t where v like 'o%'`,
};

const cases: readonly Case[] = [
  {
    name: 'nested views with owner, grants, options, comments, defaults, triggers and rules',
    setup: `
      ${viewDefs.plain};
      alter view "Öffne ""x""" owner to native_owner; alter view "Öffne ""x""" set (security_barrier = true);
      grant select on "Öffne ""x""" to native_reader; grant update (v) on "Öffne ""x""" to native_reader;
      comment on view "Öffne ""x""" is 'c'; comment on column "Öffne ""x""".v is 'cc';
      alter view "Öffne ""x""" alter v set default 'dflt';
      create view over as select v || '!' as loud, v from "Öffne ""x""";
      create function ins() returns trigger language plpgsql as 'begin return new; end';
      create trigger instead instead of insert on over for each row execute function ins();
      create rule nothing as on delete to over do instead nothing;
      create view apart as select id, n from t;`,
    alter: widen,
    native: `
      drop view over; drop view "Öffne ""x"""; alter table t ${widen};
      ${viewDefs.plain};
      alter view "Öffne ""x""" owner to native_owner; alter view "Öffne ""x""" set (security_barrier = true);
      grant select on "Öffne ""x""" to native_reader; grant update (v) on "Öffne ""x""" to native_reader;
      comment on view "Öffne ""x""" is 'c'; comment on column "Öffne ""x""".v is 'cc';
      alter view "Öffne ""x""" alter v set default 'dflt';
      create view over as select v || '!' as loud, v from "Öffne ""x""";
      create trigger instead instead of insert on over for each row execute function ins();
      create rule nothing as on delete to over do instead nothing;`,
  },
  {
    name: 'a view that only filters by the column stays the same object, with what depends on it',
    setup: `
      ${viewDefs.filter}; alter view only_filter set (check_option = local);
      create function takes(only_filter) returns integer language sql as 'select 1';
      create rule gone as on delete to only_filter do instead delete from t where v = 'x' and id = old.id;`,
    alter: widen,
    native: `
      drop function takes(only_filter); drop view only_filter; alter table t ${widen};
      ${viewDefs.filter}; alter view only_filter set (check_option = local);
      create function takes(only_filter) returns integer language sql as 'select 1';
      create rule gone as on delete to only_filter do instead delete from t where v = 'x' and id = old.id;`,
  },
  {
    name: 'policies, triggers, rules and SQL bodies, of this table and of others',
    setup: `
      alter table t enable row level security;
      create policy own on t as restrictive for update to native_reader using (v = current_user) with check (v <> 'x');
      comment on policy own on t is 'mine';
      create function fires() returns trigger language plpgsql as 'begin return new; end';
      create trigger of_v after update of v on t for each row execute function fires();
      create trigger when_v before insert on t for each row when (new.v = 'x') execute function fires();
      alter table t disable trigger of_v; comment on trigger when_v on t is 'w';
      create rule also as on update to t where old.v = 'q' do also select 1; alter table t enable always rule also;
      create table other (o integer);
      create policy theirs on other using (exists (select from t where t.v = 'x'));
      create rule writes as on insert to other do also update t set v = 'r' where id = new.o;
      create function body() returns bigint begin atomic select count(*) from t where v > 'a'; end;
      grant execute on function body() to native_reader;`,
    alter: `${widen}, ALTER COLUMN n TYPE numeric(12,2), ALTER COLUMN ts TYPE timestamp(6)`,
    native: `
      drop policy own on t; drop trigger of_v on t; drop trigger when_v on t; drop rule also on t;
      drop policy theirs on other; drop rule writes on other; drop function body();
      alter table t ${widen}, alter n type numeric(12,2), alter ts type timestamp(6);
      create policy own on t as restrictive for update to native_reader using (v = current_user) with check (v <> 'x');
      comment on policy own on t is 'mine';
      create trigger of_v after update of v on t for each row execute function fires();
      create trigger when_v before insert on t for each row when (new.v = 'x') execute function fires();
      alter table t disable trigger of_v; comment on trigger when_v on t is 'w';
      create rule also as on update to t where old.v = 'q' do also select 1; alter table t enable always rule also;
      create policy theirs on other using (exists (select from t where t.v = 'x'));
      create rule writes as on insert to other do also update t set v = 'r' where id = new.o;
      create function body() returns bigint begin atomic select count(*) from t where v > 'a'; end;
      grant execute on function body() to native_reader;`,
  },
  {
    name: 'a function over a view that is dropped, and a column that is renamed at once',
    setup: `
      create view reads as select id, v from t;
      create function through() returns text return (select max(v) from reads);`,
    alter: 'ALTER COLUMN v TYPE text',
    native: `
      drop function through(); drop view reads; alter table t alter v type text;
      create view reads as select id, v from t;
      create function through() returns text return (select max(v) from reads);`,
  },
  {
    name: 'a row filter of a publication',
    setup: `create publication filtered for table t (id, v) where (v > 'a')`,
    alter: widen,
    native: `
      alter publication filtered drop table t; alter table t ${widen};
      alter publication filtered add table t (id, v) where (v > 'a');`,
    minMajor: 15,
  },
  {
    name: 'a referenced key grows, and its view',
    setup: `
      create table parent (k varchar(4) primary key); create table child (k varchar(4) references parent, x integer);
      alter table t add constraint t_w_key unique (w); create table kid (w varchar(5) constraint kid_fk references t (w));
      create view w_view as select w from t;`,
    alter: 'ALTER COLUMN w TYPE varchar(9)',
    native: `drop view w_view; alter table t alter w type varchar(9); create view w_view as select w from t;`,
  },
];

const roles = `
  do $$ begin create role native_owner; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role native_reader; exception when duplicate_object or unique_violation then null; end $$;`;

describe('views and the like are no obstacle to a change of the catalog alone', () => {
  for (const { name, setup, alter, native, minMajor } of cases) {
    if (minMajor !== undefined && major < minMajor) continue;
    test(name, async () => {
      await using original = await createDatabase(roles + table + setup);
      await using clone = await original.clone();
      await clone.query(native);
      const before = await filenode(original);

      const { result } = await runChange(original, { table: 't', alter: [alter] });

      expect(result.native).toBe(true);
      expect(await filenode(original)).toEqual(before);
      const [actual, expected] = [await original.connect(), await clone.connect()];
      expect(await catalogSnapshot(actual, 'public')).toEqual(await catalogSnapshot(expected, 'public'));
      expect(await tableRows(actual, 't')).toEqual(await tableRows(expected, 't'));
    });
  }
});

async function filenode(db: TestDatabase): Promise<unknown> {
  const { rows } = await db.query(`select pg_relation_filenode('t') as filenode`);
  return rows;
}

describe('the plan knows it before', () => {
  test('what is taken off, what is locked, and what stands in the way for good', async () => {
    await using db = await createDatabase(`${roles}${table}
      alter table t add constraint t_w_key unique (w); create table kid (w varchar(5) constraint kid_fk references t (w));
      create view reads as select id, v from t; create view over as select v from reads;
      create view grouped as select id, n from t group by id;
      create materialized view stored as select ts from t;
      create table holder (c t);`);
    const planOf = async (alter: string, more: object = {}): Promise<Plan> =>
      await plan({ connection: { url: db.url }, request: request({ table: 't', alter: [alter], ...more }) });
    const refusals = ({ reasons }: Plan): string[] =>
      reasons.map(({ code, message }) => `${code}: ${message}`);

    const dropped = await planOf('DROP COLUMN v');
    expect(dropped.verdict).toBe('refused');
    expect(refusals(dropped)[0]).toBe(
      'rejected-by-server: DROP COLUMN v: cannot drop column v of table public.t because other objects depend on it (view public.reads depends on column v of table public.t; view public.over depends on view public.reads)',
    );
    expect(refusals(dropped)).toContainEqual(
      expect.stringContaining('view: view public.reads cannot be made'),
    );

    const key = await planOf('DROP CONSTRAINT t_pkey');
    expect(refusals(key)[0]).toContain('view public.grouped depends on constraint t_pkey on table public.t');
    const referenced = await planOf('DROP CONSTRAINT t_w_key');
    expect(refusals(referenced)[0]).toContain(
      'constraint kid_fk on table public.kid depends on index public.t_w_key',
    );

    // Nothing that could be taken off: the row type is in use.
    const typed = await planOf(widen);
    expect(typed.verdict).toBe('refused');
    expect(refusals(typed)[0]).toContain('column c of table public.holder uses its row type');
    await db.query('drop table holder');

    // A materialized view would be filled under the lock: that is for a copy.
    const stored = await planOf('ALTER COLUMN ts TYPE timestamp(6)');
    expect(refusals(stored)).toEqual([
      expect.stringMatching(/^rejected-by-server: .*cannot alter type of a column used by a view or rule/),
      expect.stringMatching(/^materialized-view: /),
    ]);
    const copied = await planOf('ALTER COLUMN ts TYPE timestamp(6)', { matviews: 'recreate' });
    expect([copied.verdict, copied.reasons.map(({ code }) => code)]).toEqual([
      'copy',
      ['native-not-possible'],
    ]);

    const around = await planOf(`${widen}, ALTER COLUMN w TYPE varchar(9)`);
    expect(around.verdict).toBe('native');
    const told = describePlan(around);
    expect(told.locks.map(({ table: name, mode, role }) => [role, name, mode])).toEqual([
      ['table', 'public.t', 'ACCESS EXCLUSIVE'],
      ['view', 'public.over', 'ACCESS EXCLUSIVE'],
      ['view', 'public.reads', 'ACCESS EXCLUSIVE'],
      ['referencing table', 'public.kid', 'ACCESS EXCLUSIVE'],
    ]);
    expect(around.warnings.filter(({ code }) => code === 'dependents-untried')).toEqual([]);
    expect(renderPlan(around, { ...plainLook, width: 200 })).toContain(
      `
Statements
  -- take off view public.reads, view public.over
  alter table "public"."t" ALTER COLUMN v TYPE varchar(20), ALTER COLUMN w TYPE varchar(9);
  -- put that back as it was
`,
    );
    expect(
      told.dependents.filter(({ treatment }) => treatment === 'recreated').map(({ name }) => name),
    ).toEqual(['view public.over (through view public.reads)', 'view public.reads']);
    // What does not use the column is left alone.
    const alone = await planOf('ALTER COLUMN n TYPE numeric(12,2)');
    expect(nativePlan(alone).lockSet.map(({ name }) => name.name)).toEqual(['grouped', 't']);
    const renamed = await planOf('RENAME COLUMN v TO vv');
    expect(describePlan(renamed).nativeStatements).toHaveLength(1);
  });

  test('a view of somebody else is named with what is missing; one that changes meanwhile is not overwritten', async () => {
    await using db = await createDatabase(`${roles}${table} create view reads as select id, v from t`);
    const owner = await db.createRole();
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant create, usage on schema public to ${owner.name};
      alter table t owner to ${owner.name}; alter view reads owner to native_owner; grant create on schema public to native_owner`);
    const change = { table: 't', alter: [widen] };
    const refused = await plan({ connection: { url: owner.url }, request: request(change) });
    expect(refused.verdict).toBe('refused');
    expect(refused.reasons.map(({ code }) => code)).toContain('privilege');

    const other = await db.connect();
    await other.query('begin; lock table t in access share mode');
    let isMissed = false;
    const run = failure(
      runChange(db, change, {
        onEvent: ({ event }) => {
          if (event === 'lock:missed') isMissed = true;
        },
      }),
    );
    await until(() => isMissed, { what: 'a try that found the lock taken' });
    await other.query(`create or replace view reads as select id, v from t where v <> 'new'; commit`);
    expect(await run).toMatchObject({ code: 'source-changed' });
    expect((await db.query(`select pg_get_viewdef('reads') like '%new%' as kept`)).rows).toEqual([
      { kept: true },
    ]);
    expect((await runChange(db, change)).result.native).toBe(true);
    expect((await db.query(`select pg_get_viewdef('reads') like '%new%' as kept`)).rows).toEqual([
      { kept: true },
    ]);
  });

  test('a function of the row type is on the clone as well', async () => {
    await using db = await createDatabase(`${roles}${table}
      create function bound(t) returns bigint begin atomic select count(*) from t where v > 'a'; end;`);
    const change = { table: 't', alter: ['DROP COLUMN v'] };
    const planned = await plan({ connection: { url: db.url }, request: request(change) });
    expect(planned.verdict).toBe('refused');
    expect(JSON.stringify(planned.reasons)).toContain(
      'function bound(public.t) depends on column v of table public.t',
    );
  });

  test('what the trial could not know is said with the detail of PostgreSQL, and nothing is changed', async () => {
    await using db = await createDatabase(`${roles}${table}
      create table kid () inherits (t); create view over_kid as select v from kid;`);
    const change = { table: 't', alter: ['DROP COLUMN v'] };
    const planned = await plan({ connection: { url: db.url }, request: request(change) });
    expect(planned.verdict).toBe('native');
    expect(describePlan(planned).warnings).toContainEqual({
      code: 'dependents-untried',
      message: expect.stringContaining('table public.kid'),
    });
    const error = await failure(runChange(db, change));
    expect(error).toMatchObject({
      code: 'native-failed',
      message: expect.stringContaining('view over_kid depends on column v of table kid'),
      hint: expect.stringContaining('nothing was changed'),
    });
  });
});
