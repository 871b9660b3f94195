/** The same whatever the role's, the database's or the session's settings are: text means what it meant when it was written. */
import { expect, test } from 'vitest';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { completeChange, failure, type ChangeInput } from '../support/migration.js';
import { hostilePath, hostileSchema } from './hostile.js';

/** The native ALTER in a clone and the tool in the original, both with the database's settings. */
async function expectSameAsNative(
  original: TestDatabase,
  change: ChangeInput,
  native: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await using clone = await original.clone();
  for (const db of [original, clone]) {
    for (const [name, value] of Object.entries(settings)) {
      await db.query(`alter database ${db.name} set ${name} = ${value}`);
    }
  }
  const altering = await clone.connect();
  for (const statement of native) await altering.query(statement);
  await completeChange(original, change);
  const look = async (db: TestDatabase): Promise<object> => {
    const client = await db.connect();
    await client.query(
      `set search_path = public; set timezone = 'UTC'; set datestyle = 'ISO'; set extra_float_digits = 3`,
    );
    return {
      catalog: await catalogSnapshot(client, 'public', { sequenceValues: true }),
      rows: await tableRows(client, change.table),
    };
  };
  expect(await look(original)).toEqual(await look(clone));
}

const everyText = `
  create domain short as text check (length(value) < 20);
  create table other (id int primary key);
  create table t (
    id serial primary key,
    name text not null default lower('ABC'),
    made timestamptz not null default now(),
    day date,
    tags integer[],
    doc jsonb default '{}'::jsonb,
    label short default upper('x'),
    low text generated always as (lower(name)) stored,
    size integer generated always as (length(name) + array_length(tags, 1)) stored,
    constraint named check (length(name) > 0 and name = lower(name)),
    constraint tagged check (array_length(tags, 1) = 2),
    exclude using btree (upper(name) with =) where (id = -1)
  );
  create unique index t_up on t (upper(name), day) where length(name) > 1;
  create index t_doc on t using gin (doc);
  create statistics t_stats on lower(name), upper(name) from t;
  insert into other select generate_series(1, 3);
  insert into t (name, day, tags, doc)
    select 'row' || i, date '2020-01-01' + i, array[i, i], jsonb_build_object('i', i) from generate_series(1, 500) as i;
  create view v as select id, lower(name) as low, length(name) as size from t where name = lower(name);
  create policy p on t using (lower(name) = name) with check (length(name) > 0);
  alter table t enable row level security;
  create function fire() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger tr before update on t for each row when (lower(new.name) = new.name) execute function fire();
  create rule r as on delete to t where length(old.name) = 0 do also insert into public.other values (length(old.name));
`;

test('a schema before pg_catalog changes what the user writes, and nothing else', async () => {
  await using db = await createDatabase(hostileSchema + everyText);
  const change = {
    table: 't',
    alter: [
      `alter column day type timestamp, add column extra pg_catalog.text default lower('X'), add column plain varchar(9) default 'p',
       add check (length(extra) < 0), add column born pg_catalog.date not null default '2020-02-03'`,
    ],
  };
  await expectSameAsNative(
    db,
    change,
    change.alter.map((text) => `alter table t ${text}`),
    { search_path: hostilePath },
  );
});

/** Under which most values lose something when they are printed, or are read as another one. */
const lossy = {
  datestyle: `'SQL, DMY'`,
  timezone: `'Europe/Dublin'`,
  intervalstyle: `'sql_standard'`,
  extra_float_digits: `-15`,
  bytea_output: `'escape'`,
};

test('values go through text as they are, whatever the settings', async () => {
  await using db = await createDatabase(`
    create table t (at timestamptz primary key, f double precision not null, v int);
    insert into t select timestamptz '2020-10-24 22:00:00+00' + i * interval '5 seconds', sqrt(i), i from generate_series(1, 4500) as i;
    insert into t values ('infinity', 'NaN', 1), ('-infinity', '-Infinity', 2), ('0044-03-15 12:00:00+00 BC', 0.1, 3);`);
  const actions = `alter column v type bigint,
    add column d date not null default '03/04/2020',
    add column z timestamptz default '25/10/2020 01:30:00 GMT',
    add column old timestamp default '15/03/0044 BC',
    add column far date default 'infinity',
    add column tz timetz default '12:00:00.5+05:30',
    add column pi double precision default pi(),
    add column r real default 0.1 + 0.2,
    add column p point default point(0.1, 1e-20 / 3),
    add column fs double precision[] default array[pi(), 0.1 + 0.2],
    add column i interval default '-1 2:03:04.5',
    add column y interval default '1-2 -3 4:05',
    add column b bytea default '\\001\\377a',
    add column m money default 1234.56,
    add column txt text default ('04/03/2020'::date)::text || pi()`;
  await expectSameAsNative(db, { table: 't', alter: [actions] }, [`alter table t ${actions}`], lossy);
});

test('a comparison walks along keys whose text says less than their value', async () => {
  const one = `
    create table t (f double precision, i interval, v int, primary key (f, i));
    insert into t select 1 + (i / 3) * 2.220446049250313e-16, make_interval(days => -(i % 3), secs => i / 7.0), i
      from generate_series(1, 5000) as i;`;
  await using db = await createDatabase(one);
  const { result } = await (async () => {
    for (const [name, value] of Object.entries(lossy))
      await db.query(`alter database ${db.name} set ${name} = ${value}`);
    return await completeChange(db, { table: 't', alter: ['alter column v type bigint'] });
  })();
  expect(result).toMatchObject({ native: false, rows: 5000 });
});

test('a native change under such a path, with a view that is put back around it', async () => {
  await using db = await createDatabase(`${hostileSchema}
    create table t (id int primary key, name varchar(9), low text default lower('A'), check (lower(name) = name));
    insert into t values (1, 'a');
    create view v as select id, name, lower(name) as low, length(name) as size from t where lower(name) = name;
    create policy p on t using (lower(name) = name);`);
  const actions = `alter column name type varchar(19), add column extra pg_catalog.text default lower('X')`;
  const native = [
    'drop view v',
    `alter table t ${actions}`,
    `create view public.v as select id, name, pg_catalog.lower(name) as low, pg_catalog.length(name) as size from t
       where pg_catalog.lower(name) operator(pg_catalog.=) name::pg_catalog.text`,
  ];
  await expectSameAsNative(
    db,
    { table: 't', alter: [actions] },
    [
      'drop policy p on t',
      ...native,
      `create policy p on t using (pg_catalog.lower(name) operator(pg_catalog.=) name::pg_catalog.text)`,
    ],
    { search_path: hostilePath },
  );
});

test('an operator that the text does not show is refused by the name of what uses it', async () => {
  await using db = await createDatabase(`${hostileSchema}
    set search_path = compat, pg_catalog, public;
    create table public.t (id pg_catalog.int8 primary key, name pg_catalog.text default nullif('a'::pg_catalog.text, 'a'::pg_catalog.text),
      constraint "Other" check (name is distinct from 'x'), constraint shown check (compat.lower(name) > ''));`);
  expect(await failure(completeChange(db, { table: 'public.t', rewrite: true }))).toMatchObject({
    code: 'refused',
    message: expect.stringContaining(
      'CHECK "Other" uses operator compat.=(text,text), and read back from its text what PostgreSQL has itself',
    ) as string,
    reasons: [{ code: 'clone-differs' }, { code: 'clone-differs' }],
  });
});
