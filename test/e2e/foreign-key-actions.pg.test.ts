/**
 * Actions on the table's own foreign keys beside a change that needs a copy: PostgreSQL is the oracle for their names, what they
 * reference and whether they are valid; rows that violate a new one are named before the swap.
 */
import { copyPlan } from '../plan/copy-plan.js';
import { describe, expect, inject, test } from 'vitest';
import { plan } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAfterCopy } from '../support/migration.js';

const major = inject('serverMajor');

interface Case {
  readonly name: string;
  readonly alter?: readonly string[];
  /** `T` is the table. */
  readonly statements?: readonly string[];
  readonly minMajor?: number;
}

const big = 'alter column n type bigint';

const cases: readonly Case[] = [
  {
    name: 'added without names, to a primary key, a unique index, composite, with every property',
    alter: [
      `${big}, add foreign key (p) references parent, add foreign key (p) references parent (code) not valid`,
      'add foreign key (p) references "Über x"."Päré nt" ("I d") on update cascade on delete set default',
      // Of the same name as the table.
      'add foreign key (own) references "Über x".T not valid, add foreign key (own) references T',
      // Before 18 a key that is validated later leaves its internal entries for partitions as they are.
      `add foreign key (p) references parted${major < 18 ? ' not valid' : ''}`,
      'add constraint "Ω ""x""" foreign key (a, b) references pair match full on delete restrict deferrable initially deferred',
      ...(major < 15 ? [] : ['add foreign key (a, b) references pair on delete set null (b)']),
    ],
  },
  {
    name: 'of itself, by both names, with the type of both columns',
    alter: [
      'alter column id type bigint, alter column own type bigint, add foreign key (own) references T (id) on delete cascade',
    ],
    statements: ['alter table public.T add constraint again foreign key (own) references public.T not valid'],
  },
  {
    name: 'in the definition of a column, which is named by a later one',
    alter: [
      `${big}, add column c1 integer references parent on delete set null, add column if not exists p integer references pair (y)`,
      'add column c2 integer default 2 constraint named references parent (code) check (c2 > 0)',
    ],
    statements: ['comment on constraint named on T is $$is it$$'],
  },
  {
    name: 'dropped, IF EXISTS, CASCADE, and made anew under the same name',
    alter: [
      `${big}, drop constraint T_kp_fkey, add constraint T_kp_fkey foreign key (kp) references parent (code) on delete cascade`,
      'drop constraint if exists nothing, drop constraint if exists T_kself_fkey cascade',
    ],
  },
  {
    name: 'altered, validated, renamed, commented',
    alter: [
      `${big}, alter constraint T_kp_fkey deferrable initially deferred, validate constraint T_late`,
      'alter constraint T_kself_fkey deferrable',
    ],
    statements: [
      'alter table T rename constraint T_kself_fkey to "Sélf"',
      'comment on constraint "Sélf" on T is $$itself$$',
      'alter table T rename column kp to kp2',
    ],
  },
  {
    name: 'the referencing and the referenced column of kept ones get another type beside a new one',
    alter: [
      'alter column kp type bigint, alter column kself type bigint, alter column id type bigint, add foreign key (a) references parent',
    ],
  },
  {
    name: 'the referencing column of one goes, another is added; names of checks keep out of the way',
    alter: [
      `drop column kp, ${big}, add foreign key (n) references parent (big), add constraint T_p_check foreign key (p) references parent, add check (p > 0)`,
    ],
  },
  {
    name: 'the key that one references goes with it',
    alter: [
      `${big}, add foreign key (p) references parent, drop constraint T_pkey cascade, add primary key (id, n)`,
    ],
  },
  {
    name: 'none is named, but a CHECK comes that would have the name of one, and the key goes that another references',
    alter: [`${big}, add check (a > 0), drop constraint T_pkey cascade, add primary key (id, n)`],
  },
  {
    name: 'NOT ENFORCED, and enforced again',
    alter: [
      `${big}, add constraint loose foreign key (p) references parent not enforced, alter constraint T_kp_fkey not enforced`,
      'alter constraint T_unenforced enforced',
    ],
    minMajor: 18,
  },
];

const commonSetup = `
  create schema "Über x";
  create table parent (id integer primary key, code integer not null, big bigint unique);
  create unique index on parent (code);
  create table "Über x"."Päré nt" ("I d" integer primary key);
  create table pair (x integer, y integer unique, primary key (x, y));
  create table parted (id integer primary key) partition by range (id);
  create table parted_1 partition of parted for values from (0) to (1000);
  insert into parent select i, i, i from generate_series(1, 50) as i;
  insert into "Über x"."Päré nt" select i from generate_series(1, 50) as i;
  insert into pair select i, i from generate_series(1, 50) as i;
  insert into parted select i from generate_series(1, 50) as i;`;

function setupOf(table: string): string {
  return `
    create table "Über x".${table} (id integer primary key);
    create table ${table} (
      id integer primary key, n integer not null, p integer, a integer, b integer, own integer,
      kp integer references parent on delete cascade, kself integer references ${table} deferrable initially deferred
    );
    alter table ${table} add constraint ${table}_late foreign key (p) references parent not valid;
    alter table ${table} add constraint ${table}_a_check foreign key (a) references parent not valid;
    comment on constraint ${table}_kp_fkey on ${table} is 'kept';
    ${major < 18 ? '' : `alter table ${table} add constraint ${table}_unenforced foreign key (p) references parent not enforced;`}
    insert into ${table} select i, i, i, i, i, i, i, i from generate_series(1, 30) as i;
    insert into ${table} values (100, 50, null, null, null, null, null, null);`;
}

const tried = cases
  .filter(({ minMajor = 0 }) => major >= minMajor)
  .map((each, index) => {
    const table = `t${index + 1}`;
    const named = (texts: readonly string[] = []): string[] =>
      texts.map((text) => text.replaceAll(/\bT(?=\b|_)/g, table));
    return { ...each, table, alter: named(each.alter), statements: named(each.statements) };
  });

test('the tool leaves the foreign keys that the native ALTER leaves', async () => {
  await using original = await createDatabase(
    commonSetup + tried.map(({ table }) => setupOf(table)).join(''),
  );
  await using clone = await original.clone();
  for (const { name, table, alter, statements } of tried) {
    for (const statement of [...alter.map((actions) => `alter table ${table} ${actions}`), ...statements])
      await clone.query(statement);
    const { result, events } = await runChange(original, { table, alter, statements });
    expect([name, result.native]).toEqual([name, false]);
    const warned = events.flatMap((event) => (event.event === 'warning' ? [event.code] : []));
    expect(warned.filter((code) => code.startsWith('foreign-key'))).toEqual([]);
  }
  const [expected, actual] = [await clone.connect(), await original.connect()];
  expect(await catalogSnapshot(actual, 'public')).toEqual(await catalogSnapshot(expected, 'public'));
  const keysSql = `
    select conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred,
      obj_description(oid), (
        select array_agg(tgenabled::text || tgtype || tgdeferrable || tginitdeferred || tgrelid::regclass || tgfoid::regproc order by tgrelid::regclass::text, tgfoid::regproc::text)
        from pg_trigger where tgconstraint = con.oid
      )
    from pg_constraint as con where contype = 'f' and conparentid = 0 and connamespace = 'public'::regnamespace
    order by conrelid::regclass::text, conname`;
  const keys = await expected.query(keysSql);
  expect((await actual.query(keysSql)).rows).toEqual(keys.rows);
  expect(keys.rows.length).toBeGreaterThan(40);
  for (const { table } of tried)
    expect(await tableRows(actual, table)).toEqual(await tableRows(expected, table));
}, 120_000);

describe('what cannot be', () => {
  const setup = `
    create schema app; create schema closed;
    create table parent (id integer primary key, other integer, constraint later unique (other) deferrable);
    create unique index partial on parent (id) where id > 0;
    create table app.t (id integer primary key, n integer, c integer, s text);
    create table closed.p (id integer primary key);
    create unlogged table fleeting (id integer primary key);
    create view v as select 1 as id;
    insert into parent select i, i from generate_series(1, 9) as i;
    insert into app.t select i, i, i, i from generate_series(1, 12) as i;`;

  test('PostgreSQL says so in plan, with the names that the user knows', async () => {
    await using db = await createDatabase(setup);
    const messages = async (added: string): Promise<string> => {
      const change = { table: 'app.t', alter: [`alter column n type bigint, ${added}`] };
      const { reasons, verdict } = await plan({ connection: { url: db.url }, request: request(change) });
      return verdict === 'refused'
        ? reasons.map(({ message }) => message.replace(/^.*?: /, '')).join('\n')
        : verdict;
    };
    expect(await messages('add foreign key (c) references parent')).toBe('copy');
    expect(await messages('add foreign key (c) references parent (nothing)')).toBe(
      'column "nothing" referenced in foreign key constraint does not exist',
    );
    expect(await messages('add foreign key (s) references parent')).toContain('cannot be implemented');
    expect(await messages('add foreign key (c) references parent (other)')).toBe(
      'cannot use a deferrable unique constraint for referenced table "parent"',
    );
    expect(
      await messages('add foreign key (c) references closed.p (id), add foreign key (c) references fleeting'),
    ).toBe('constraints on permanent tables may reference only permanent tables');
    expect(await messages('add foreign key (c) references v (id)')).toBe(
      'referenced relation "v" is not a table',
    );
    expect(await messages('add foreign key (c) references nowhere')).toBe(
      'relation "nowhere" does not exist',
    );
    expect(await messages('add foreign key (c) references pg_class (oid)')).toBe(
      '"pg_class" is a system catalog',
    );
    expect(await messages('add constraint x foreign key (c) references parent, drop constraint y')).toBe(
      'constraint "y" of relation "t" does not exist',
    );
  });

  test('an ordinary owner: the rights that a new foreign key takes, the tables that the swap locks, rows that cannot be read', async () => {
    await using db = await createDatabase(setup);
    const owner = await db.createRole();
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant usage, create on schema app to ${owner.name};
      alter table app.t owner to ${owner.name}; grant references on parent to ${owner.name};
      insert into closed.p select i from generate_series(1, 12) as i;
      alter table app.t add column gone integer constraint goes references parent;`);
    const change = {
      table: 'app.t',
      alter: ['alter column n type bigint, add foreign key (c) references closed.p, drop constraint goes'],
    };
    const input = { connection: { url: owner.url }, request: request(change) };
    const first = await plan(input);
    const needed = [
      `grant usage on schema closed to ${owner.name}`,
      `grant references (id) on closed.p to ${owner.name}`,
    ];
    expect(first.reasons.map(({ code }) => code)).toEqual(['privilege']);
    await db.query(needed[0] ?? '');
    await db.query(needed[1] ?? '');
    const second = await plan(input);
    expect(second).toMatchObject({ verdict: 'copy', reasons: [{ code: 'rewrites-table' }] });
    expect(
      copyPlan(second).lockSet.map(({ role, name, reason }) => [role, `${name.schema}.${name.name}`, reason]),
    ).toEqual([
      ['table', 'app.t', { because: 'table' }],
      ['referenced table', 'closed.p', { because: 'referenced-key', name: 't_c_fkey' }],
      ['referenced table', 'public.parent', { because: 'referenced-key', name: 'goes' }],
    ]);
    expect(second.dependents.filter(({ fate }) => fate.treatment === 'dropped')).toMatchObject([
      { kind: 'foreign-key-out' },
    ]);
    const { events } = await runChange(db, change, { url: owner.url });
    expect(events.flatMap((event) => (event.event === 'warning' ? [event.code] : []))).toContain(
      'foreign-key-unchecked',
    );
    expect(await keysOf(db)).toEqual(['t_c_fkey true']);
  });

  const added = {
    table: 'app.t',
    alter: ['alter column id type bigint, add constraint new foreign key (c) references parent'],
  };

  test('rows that violate it are named before the swap; put right, the same run goes on', async () => {
    await using db = await createDatabase(setup);
    expect(await failure(runChange(db, added))).toMatchObject({
      code: 'new-foreign-key-violated',
      exitCode: 1,
      details: { constraint: 'new', keys: [['10'], ['11'], ['12']] },
    });
    expect(await keysOf(db)).toEqual([]);
    await db.query('insert into parent select i, i from generate_series(10, 12) as i');
    await runChange(db, added);
    expect(await keysOf(db)).toEqual(['new true']);
  });

  test('a row that is written after the look is found when the foreign key is validated', async () => {
    await using db = await createDatabase(`${setup} delete from app.t where c > 9`);
    const error = await failure(
      runChange(db, added, {
        beforeCutover: async () => {
          await db.query('insert into app.t values (50, 1, 77)');
          return { ok: true, said: '' };
        },
      }),
    );
    expect(error).toMatchObject({ code: 'foreign-key-violated', exitCode: 1 });
    expect(await keysOf(db)).toEqual(['new false']);
    await db.query('delete from app.t where id = 50');
    await runChange(db, added);
    expect(await keysOf(db)).toEqual(['new true']);
  });

  test('NOT VALID asks for no rows', async () => {
    await using db = await createDatabase(setup);
    await runChange(db, { ...added, alter: added.alter.map((actions) => `${actions} not valid`) });
    expect(await keysOf(db)).toEqual(['new false']);
  });

  test('a foreign key that somebody makes meanwhile takes the name that would have been chosen', async () => {
    await using db = await createDatabase(setup);
    const unnamed = {
      table: 'app.t',
      alter: ['alter column id type bigint, add foreign key (c) references parent not valid'],
    };
    await stopAfterCopy(db, unnamed);
    await db.query('alter table app.t add constraint t_c_fkey foreign key (n) references parent not valid');
    await runChange(db, unnamed);
    expect(await keysOf(db)).toEqual(['t_c_fkey false', 't_c_fkey1 false']);
  });
});

async function keysOf(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>(`
    select conname || ' ' || convalidated as key from pg_constraint
    where contype = 'f' and conrelid = 'app.t'::regclass order by 1`);
  return rows.map(({ key }) => key);
}
