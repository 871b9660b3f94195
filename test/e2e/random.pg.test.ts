/**
 * Random changes under random writes, against the oracle: the same writes in a clone, and then the native ALTER. fast-check
 * prints the seed and the smallest failing case; PG_GHOST_SEED repeats one, PG_GHOST_RUNS asks for more of them.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Phase } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { completeChange } from '../support/migration.js';

const setup = `
  create table t (
    id serial primary key,
    a int not null default 5,
    b text default 'b',
    c numeric(12, 3),
    d timestamptz default '2026-03-29 01:30:00+01',
    e int unique deferrable,
    f varchar(30) default 'f',
    g text generated always as (b || '!') stored,
    constraint a_small check (a < 1000000)
  );
  create index t_a on t (a) where e is not null;
  create index t_b on t (lower(b), id desc) include (c);
  insert into t (a, b, c, e, f)
  select i, 'row ' || i, i / 7.0, case when i % 3 > 0 then i end, left('abcdefghij', i % 10) from generate_series(1, 600) i;
`;

/** At most one of each row: they would get in each other's way. */
const choices: readonly (readonly string[])[] = [
  ['ALTER COLUMN id TYPE bigint', 'ALTER COLUMN id TYPE numeric', 'ALTER COLUMN id DROP DEFAULT'],
  [
    'ALTER COLUMN a TYPE bigint',
    "ALTER COLUMN a TYPE text USING a::text || 'x', DROP CONSTRAINT a_small, ALTER COLUMN a DROP DEFAULT",
    'ALTER COLUMN a DROP NOT NULL',
    'RENAME COLUMN a TO "A a"',
  ],
  [
    'ALTER COLUMN c TYPE double precision',
    'ALTER COLUMN c TYPE numeric(20,1)',
    "ALTER COLUMN c TYPE text USING to_char(c, 'FM99990.00')",
    'RENAME COLUMN c TO "select"',
  ],
  [
    'ALTER COLUMN d TYPE date',
    'ALTER COLUMN d TYPE timestamp',
    'DROP COLUMN d',
    'ALTER COLUMN d SET DEFAULT now()',
  ],
  ['ALTER COLUMN e TYPE bigint', 'ADD CONSTRAINT e_not CHECK (e IS NULL OR e > -2000000000)'],
  [
    'ALTER COLUMN f TYPE varchar(60)',
    'ALTER COLUMN f TYPE text COLLATE "C"',
    'DROP COLUMN f',
    'ALTER COLUMN f TYPE varchar(10)',
  ],
  [
    'ADD COLUMN n1 int DEFAULT 3',
    'ADD COLUMN n1 text',
    'ADD COLUMN n1 bigint GENERATED ALWAYS AS (id * 2) STORED',
    'ADD COLUMN n1 int NOT NULL DEFAULT 0 CHECK (n1 >= 0)',
  ],
  [
    'DROP COLUMN g',
    'ADD CONSTRAINT both_key UNIQUE (id, e)',
    'SET (fillfactor = 80)',
    'ALTER COLUMN b SET STATISTICS 200',
  ],
];

/** In terms of columns that every change leaves in place, and of values that fit before and after. */
const write = fc.oneof(
  fc.nat(800).map((id) => `update t set e = null where id = ${id + 1}`),
  fc.nat(800).map((id) => `delete from t where id = ${id + 1}`),
  fc
    .tuple(fc.nat(600), fc.nat(5000))
    .map(
      ([id, to]) =>
        `update t set id = ${10_000 + to} where id = ${id + 1} and not exists (select from t where id = ${10_000 + to})`,
    ),
  fc.nat(600).map((from) => `update t set e = -e where id between ${from} and ${from + 150}`),
  fc
    .tuple(fc.nat(600), fc.nat(600))
    .map(
      ([x, y]) =>
        `update t set e = case id when ${x + 1} then (select e from t where id = ${y + 1}) else (select e from t where id = ${x + 1}) end where id in (${x + 1}, ${y + 1}) and ${x} <> ${y} and (select count(*) from t where id in (${x + 1}, ${y + 1})) = 2`,
    ),
  fc
    .nat(3000)
    .map(
      (id) =>
        `insert into t (id, e) select ${20_000 + id}, ${-100_000 - id} where not exists (select from t where id = ${20_000 + id} or e = ${-100_000 - id})`,
    ),
);

const moments = [
  'prepare',
  'copy',
  'purge',
  'index',
  'catch-up',
  'settle',
] as const satisfies readonly Phase[];

const scenario = fc.record({
  alter: fc.tuple(...choices.map((row) => fc.option(fc.constantFrom(...row), { freq: 1 }))),
  writes: fc.record(
    Object.fromEntries(moments.map((phase) => [phase, fc.array(write, { maxLength: 6 })])) as Record<
      (typeof moments)[number],
      fc.Arbitrary<string[]>
    >,
  ),
});

test('random changes under random writes leave what PostgreSQL leaves', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ alter, writes }) => {
      const actions = alter.filter((action) => action !== null);
      await using original = await createDatabase(setup);
      await using clone = await original.clone();
      const application = await original.connect();
      let written: Promise<unknown> = Promise.resolve();
      await completeChange(
        original,
        { table: 't', alter: actions, rewrite: true },
        {
          settings: { chunkTimeMs: 10 },
          onEvent: (event) => {
            if (event.event !== 'phase:done') return;
            for (const statement of writes[event.phase as keyof typeof writes] ?? [])
              written = written.then(() => application.query(statement));
          },
        },
      );
      await written;
      for (const phase of moments) for (const statement of writes[phase]) await clone.query(statement);
      for (const action of actions) await clone.query(`alter table t ${action}`);
      // The tool lets a serial's sequence grow with its column; a native ALTER leaves it behind.
      if (actions.includes('ALTER COLUMN id TYPE bigint'))
        await clone.query('alter sequence t_id_seq as bigint');
      const [actual, expected] = [await original.connect(), await clone.connect()];
      expect(await catalogSnapshot(actual, 'public')).toEqual(await catalogSnapshot(expected, 'public'));
      expect(await tableRows(actual, 't')).toEqual(await tableRows(expected, 't'));
    }),
    {
      numRuns: Number(process.env['PG_GHOST_RUNS'] ?? 8),
      seed: Number(process.env['PG_GHOST_SEED'] ?? 20_261),
      endOnFailure: true,
    },
  );
}, 300_000);
