/** Every data type is compared by its exact value: what is merely equal is a difference, what is the same is none. */
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { completeChange, failure, runChange } from '../support/migration.js';

interface Value {
  readonly type: string;
  readonly value: string;
  /** Equal by the type's own `=`, or without any `=` at all; and yet another value. */
  readonly other: string;
}

const values: readonly Value[] = [
  { type: 'smallint', value: '1', other: '2' },
  { type: 'bigint', value: '9007199254740993', other: '9007199254740992' },
  { type: 'numeric', value: '1.0', other: '1.00' },
  { type: 'numeric', value: "'NaN'", other: 'null' },
  { type: 'real', value: "'-0'", other: '0' },
  { type: 'double precision', value: "'-0'", other: '0' },
  { type: 'double precision', value: "'NaN'", other: "'Infinity'" },
  { type: 'boolean', value: 'true', other: 'null' },
  { type: 'text', value: "''", other: 'null' },
  { type: 'text', value: "'a'", other: "'a '" },
  { type: 'varchar(5)', value: "'a'", other: "'a '" },
  { type: 'char(3)', value: "'a'", other: "'b'" },
  { type: 'text collate nobody_cares', value: "'Straße'", other: "'STRASSE'" },
  { type: 'bytea', value: "'\\x00ff'", other: "'\\x00fe'" },
  { type: 'json', value: `'{"a":1}'`, other: `'{"a": 1}'` },
  { type: 'jsonb', value: `'{"a":1.0}'`, other: `'{"a":1.00}'` },
  { type: 'xml', value: "'<a/>'", other: "'<a></a>'" },
  {
    type: 'uuid',
    value: "'00000000-0000-0000-0000-000000000001'",
    other: "'00000000-0000-0000-0000-000000000002'",
  },
  { type: 'date', value: "'2026-01-01'", other: "'infinity'" },
  { type: 'time', value: "'00:00'", other: "'24:00'" },
  { type: 'timetz', value: "'12:00+00'", other: "'13:00+01'" },
  { type: 'timestamp', value: "'2026-01-01 00:00:00.000001'", other: "'2026-01-01'" },
  { type: 'timestamptz', value: "'2026-01-01 00:00:00+00'", other: "'-infinity'" },
  { type: 'interval', value: "'1 day'", other: "'24 hours'" },
  { type: 'point', value: "'(1,2)'", other: "'(1,2.0000000000001)'" },
  { type: 'box', value: "'(1,1),(0,0)'", other: "'(2,0.5),(0,0)'" },
  { type: 'polygon', value: "'((0,0),(1,1),(1,0))'", other: "'((1,1),(1,0),(0,0))'" },
  { type: 'inet', value: "'10.0.0.1/8'", other: "'10.0.0.1'" },
  { type: 'bit varying', value: "B'101'", other: "B'0101'" },
  { type: 'money', value: "'1.00'", other: "'1.01'" },
  { type: 'tsvector', value: "'a:1 b:2'", other: "'a b'" },
  { type: 'int4range', value: "'[1,3)'", other: "'empty'" },
  { type: 'int[]', value: "'{1,2,null}'", other: "'[0:2]={1,2,NULL}'" },
  { type: 'numeric[]', value: "'{1.0}'", other: "'{1.00}'" },
  { type: 'text[]', value: "'{}'", other: "'{NULL}'" },
  { type: 'mood', value: "'ok'", other: "'sad'" },
  { type: 'price', value: '1.5', other: '1.50' },
  { type: 'price[]', value: "'{1.5}'", other: "'{1.50}'" },
  { type: 'pair', value: `row(1, '-0')`, other: 'row(1, 0)' },
  { type: 'pair[]', value: `array[row(1, '-0')]::pair[]`, other: 'array[row(1, 0)]::pair[]' },
  { type: 'aclitem', value: "'=r/postgres'", other: "'=w/postgres'" },
  { type: 'aclitem[]', value: `'{=r/postgres}'`, other: `'{=w/postgres}'` },
  // No binary form: neither has what is made of it.
  { type: 'seg', value: "'1.0'", other: "'1.00'" },
  { type: 'seg[]', value: `'{1.0}'`, other: `'{1.00}'` },
  { type: 'size', value: "'1 .. 2'", other: "'1 .. 2.0'" },
  { type: 'size[]', value: `'{1.0}'`, other: `'{1.00}'` },
  { type: 'sized', value: `row(1, '1.0')`, other: `row(1, '1.00')` },
  { type: 'sized[]', value: `array[row(1, '1.0')]::sized[]`, other: `array[row(1, '1.00')]::sized[]` },
  { type: 'few_sized', value: `array[row(1, '1.0')]::sized[]`, other: `array[row(1, '1.00')]::sized[]` },
  { type: 'segrange', value: "'[1,2.0)'", other: "'[1,2)'" },
  { type: 'segrange[]', value: `'{"[1,2.0)"}'`, other: `'{"[1,2)"}'` },
  { type: 'segmultirange', value: `'{[1,2.0)}'`, other: `'{[1,2)}'` },
  { type: 'pairrange', value: `'["(1,0)","(2,-0)")'`, other: `'["(1,0)","(2,0)")'` },
  { type: 'pricerange', value: "'[1.0,2)'", other: "'[1.00,2)'" },
  { type: 'nummultirange', value: "'{[1.0,2)}'", other: "'{[1.00,2)}'" },
  { type: 'tsquery', value: "'a & b'", other: "'b & a'" },
  { type: 'pg_lsn', value: "'0/1'", other: "'0/2'" },
  { type: 'regclass', value: "'pg_class'", other: "'pg_proc'" },
];

const setup = `
  create type mood as enum ('sad', 'ok');
  create type pair as (a int, b float8);
  create domain price as numeric check (value > 0);
  create extension seg;
  create domain size as seg;
  create type sized as (a int, s size);
  create domain few_sized as sized[];
  create type segrange as range (subtype = seg);
  create type pairrange as range (subtype = pair);
  create type pricerange as range (subtype = price);
  create collation nobody_cares (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
  create table t (id int primary key, ${values.map(({ type }, index) => `c${index} ${type}`).join(', ')});
  insert into t select i, ${values.map(({ value, type }) => `${value}::${type.replace(/ collate.*/, '')}`).join(', ')} from generate_series(1, ${values.length}) as i;
  insert into t (id) select i from generate_series(1000, 1100) as i`;

test('the same is the same, for every type', async () => {
  await using db = await createDatabase(setup);
  const { events } = await completeChange(db, { table: 't', rewrite: true });
  expect(events.find(({ event }) => event === 'verify:done')).toMatchObject({
    rows: values.length + 101,
    differences: 0,
    leftOut: [],
  });
});

test('another value is found, for every type, however equal', async () => {
  await using db = await createDatabase(setup);
  // One column of a row each; 20 differences end a comparison, so a few at a time.
  const missed: string[] = [];
  for (let first = 0; first < values.length; first += 15) {
    const some = values.slice(first, first + 15);
    const error = await failure(
      runChange(
        db,
        { table: 't', rewrite: true },
        {
          onPoint: async (point) => {
            if (point !== 'settled') return;
            for (const [offset, { other, type }] of some.entries()) {
              const index = first + offset;
              await db.query(
                `update ghost_new_1.t set c${index} = ${other === 'null' ? other : `${other}::${type.replace(/ collate.*/, '')}`} where id = ${index + 1}`,
              );
            }
          },
        },
      ),
    );
    expect(error).toMatchObject({ code: 'differences' });
    const { differences } = error['details'] as { differences: { key: string[] }[] };
    const found = new Set(differences.map(({ key }) => Number(key[0]) - 1));
    some.forEach(({ type, other }, offset) => {
      if (!found.has(first + offset)) missed.push(`${type} ${other}`);
    });
    await db.query(
      `drop schema ghost_new_1 cascade; drop schema ghost_old_1 cascade; drop trigger ghost_capture_1 on t; drop trigger ghost_capture_truncate_1 on t; drop schema ghost cascade`,
    );
  }
  expect(missed).toEqual([]);
});

test('what is another value each time is left out by name, and what is generated from it', async () => {
  await using db = await createDatabase(
    `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 500) i`,
  );
  const { events } = await completeChange(db, {
    table: 't',
    alter: [
      'ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN short text GENERATED ALWAYS AS (left(token::text, 8)) STORED, ADD COLUMN at timestamptz, ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY, ALTER COLUMN id TYPE bigint',
    ],
    set: [{ column: 'at', expression: 'clock_timestamp()' }],
  });
  const done = events.find(({ event }) => event === 'verify:done');
  expect(done).toMatchObject({ rows: 500, differences: 0 });
  const { leftOut } = done as unknown as { leftOut: { column: string }[] };
  expect(leftOut.map(({ column }) => column).toSorted()).toEqual(['at', 'n', 'short', 'token']);
});
