/**
 * Keys that the change converts in ways that may make one key of two. Where they do not, the table is what ALTER makes of it; where
 * they do, at whatever moment, the run ends before the swap and names both rows, as ALTER fails. PG_GHOST_SEED gives the random
 * test another seed.
 */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/lab/random.js';
import { abort } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type ChangeInput, completeChange, failure, runChange, swapChange } from '../support/migration.js';

interface KeyCase {
  readonly name: string;
  /** Of `t`, whose key is `k` (`n` numbers the rows). */
  readonly columns: string;
  readonly key?: string;
  readonly alter: string;
  /** The key of the nth row. */
  readonly nth: string;
  /** What is written beside `k`. */
  readonly insert?: string;
  /** The key's own text may be another one: is the same for the new type. */
  readonly twin?: readonly [string, string];
}

const pg = (value: string): string => `'${value}'`;

const cases: readonly KeyCase[] = [
  {
    name: 'a domain over text to text',
    columns: 'k name_of_thing primary key',
    alter: 'alter k type text, alter n type bigint',
    nth: `'k' || i`,
  },
  {
    name: 'text to uuid',
    columns: 'k text primary key',
    alter: 'alter k type uuid using k::uuid',
    nth: `upper(md5(i::text)::uuid::text)`,
    twin: [pg('{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'), pg('a0eebc999c0b4ef8bb6d6bb9bd380a11')],
  },
  {
    name: 'timestamp to timestamptz',
    columns: 'k timestamp primary key',
    alter: 'alter k type timestamptz',
    nth: `'2026-03-29 00:00'::timestamp + i * interval '1 minute' + case when i >= 60 then interval '1 hour' else '0' end`,
    twin: [pg('2026-03-29 01:30:30'), pg('2026-03-29 02:30:30')],
  },
  {
    name: 'timestamptz to timestamp',
    columns: 'k timestamptz primary key',
    alter: 'alter k type timestamp',
    nth: `'2026-10-25 01:00+00'::timestamptz + i * interval '1 minute'`,
    twin: [pg('2026-10-25 00:30:30+00'), pg('2026-10-25 01:30:30+00')],
  },
  {
    name: 'enum to text',
    columns: 'k mood, n2 int, primary key (k, n2)',
    alter: 'alter k type text',
    nth: `(enum_range(null::mood))[1 + i % 3], i`,
    insert: 'k, n2',
  },
  {
    name: 'varchar to bigint',
    columns: 'k varchar(20) primary key',
    alter: 'alter k type bigint using k::bigint',
    nth: 'i::text',
    twin: [pg('70001'), pg('0070001')],
  },
  {
    name: 'varchar to citext',
    columns: 'k varchar(20) primary key',
    alter: 'alter k type citext',
    nth: `'Key ' || i`,
    twin: [pg('Straight'), pg('STRAIGHT')],
  },
  {
    name: 'text to a case-insensitive collation',
    columns: 'k text primary key',
    alter: 'alter k type text collate nobody_cares',
    nth: `'Key ' || i`,
    twin: [pg('Straight'), pg('STRAIGHT')],
  },
  {
    name: 'numeric(20,0) to bigint',
    columns: 'k numeric(20,0) primary key',
    alter: 'alter k type bigint',
    nth: 'i',
  },
  {
    name: 'an expression',
    columns: 'k int primary key',
    alter: 'alter k type bigint using k / 10',
    nth: 'i * 10',
    twin: ['700001', '700009'],
  },
  {
    name: 'a stored generated key',
    columns: 'code text, k text generated always as (lower(code)) stored primary key',
    insert: 'code',
    alter: 'alter n type bigint',
    nth: `'Code ' || i`,
  },
  {
    name: 'without a unique index in the new table',
    columns: 'k varchar(20) primary key',
    alter: 'drop constraint t_pkey, alter k type bigint using k::bigint',
    nth: 'i::text',
    twin: [pg('70001'), pg('0070001')],
  },
  {
    name: 'the key is unique, and a CHECK says that it is not null',
    columns: 'k int check (k is not null and k >= 0), unique (k)',
    alter: 'alter n type bigint',
    nth: 'i',
  },
];

const setup = ({ columns, nth, insert = 'k' }: KeyCase): string => `
  create extension citext;
  create type mood as enum ('sad', 'ok', 'glad');
  create domain name_of_thing as text check (value <> '');
  create collation nobody_cares (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  set timezone = 'Europe/Dublin';
  create table t (${columns}, n int);
  insert into t (${insert}, n) select ${nth}, i from generate_series(1, 100) as i`;

/** The clock is put forward and back there. */
const inDublin = async (db: TestDatabase): Promise<void> => {
  await db.query(`alter database ${db.name} set timezone = 'Europe/Dublin'`);
  await db.query(`set timezone = 'Europe/Dublin'`);
};

const tableOf = async (db: TestDatabase): Promise<unknown> => await tableRows(await db.connect(), 't');

describe('keys that do not collide', () => {
  test.each(cases)('$name', async (kind) => {
    await using original = await createDatabase(setup(kind));
    await inDublin(original);
    const change: ChangeInput = { table: 't', alter: [kind.alter] };
    const { insert = 'k', nth } = kind;
    const later: string[] = [];
    const write = async (i: number): Promise<void> => {
      const statements = [
        `insert into t (${insert}, n) select ${nth}, i from generate_series(${i}, ${i + 4}) as i`,
        `update t set n = -n where n in (${i}, ${i - 90})`,
        `delete from t where n = ${i + 1}`,
      ];
      for (const statement of statements) await original.query(statement);
      later.push(...statements);
    };
    await using clone = await original.clone();
    const moments = ['shadow-built', 'copied', 'purged', 'caught-up', 'settled', 'verified', 'cutover-ready'];
    const { events } = await completeChange(original, change, {
      onPoint: async (point) => {
        const at = moments.indexOf(point);
        if (at < 0) return;
        moments[at] = '';
        await write(101 + at * 5);
      },
    });
    await inDublin(clone);
    for (const statement of later) await clone.query(statement);
    await clone.query(`alter table t ${kind.alter}`);
    expect(await tableOf(original)).toEqual(await tableOf(clone));
    expect(await catalogSnapshot(await original.connect(), 'public')).toEqual(
      await catalogSnapshot(await clone.connect(), 'public'),
    );
    expect(events.filter(({ event }) => event === 'verify:done')).toMatchObject([{ differences: 0 }]);
  });
});

describe('keys that collide', () => {
  const moments = [
    'before',
    'copied',
    'purged',
    'caught-up',
    'settled',
    'verified',
    'cutover-ready',
  ] as const;
  type Moment = (typeof moments)[number];

  /** The first of the twins is there when the copy begins; the second comes at the given moment. */
  async function collide(
    kind: KeyCase,
    moment: Moment,
    second: (twin: readonly [string, string]) => string[],
    settings: { readonly verify?: 'full' | 'off' } = {},
  ): Promise<{ error: Error & Record<string, unknown>; db: TestDatabase }> {
    const db = await createDatabase(setup(kind));
    await inDublin(db);
    const twin = kind.twin ?? ['', ''];
    await db.query(`insert into t (k, n) values (${twin[0]}, 1001)`);
    let isDone = false;
    const happen = async (point: string): Promise<void> => {
      if (point !== moment || isDone) return;
      isDone = true;
      for (const statement of second(twin)) await db.query(statement);
    };
    await happen('before');
    const error = await failure(
      runChange(
        db,
        { table: 't', alter: [kind.alter] },
        { onPoint: happen, settings: { cutoverDeadlineMs: 30_000, ...settings } },
      ),
    );
    return { error, db };
  }

  const inserted = (twin: readonly [string, string]): string[] => [
    `insert into t (k, n) values (${twin[1]}, 1002)`,
  ];
  const bigint = cases.find(({ name }) => name === 'varchar to bigint') as KeyCase;

  async function expectBothNamed(
    { error, db }: Awaited<ReturnType<typeof collide>>,
    kind: KeyCase,
  ): Promise<void> {
    await using _ = db;
    expect(error).toMatchObject({ code: 'unique-violation' });
    const { rows } = await db.query<{ k: string }>('select k::text from t where abs(n) > 1000 order by n');
    expect((error['details'] as { keys: string[] }).keys.toSorted()).toEqual(
      rows.map(({ k }) => `k=${k}`).toSorted(),
    );
    await abort({ connection: { url: db.url } }, 1);
    // PostgreSQL says the same, where the new table has a unique index.
    const native = await failure(db.query(`alter table t ${kind.alter}`)).catch(() => null);
    expect(native === null ? null : native['code']).toBe(
      kind.alter.includes('drop constraint') ? null : '23505',
    );
  }

  test.each(cases.filter(({ twin }) => twin !== undefined))('$name: right before the swap', async (kind) => {
    await expectBothNamed(await collide(kind, 'cutover-ready', inserted), kind);
  });

  test.each(moments)('a row is inserted: %s', async (moment) => {
    await expectBothNamed(await collide(bigint, moment, inserted), bigint);
  });

  test.each(['copied', 'cutover-ready'] as const)('a key is changed, unverified: %s', async (moment) => {
    const changed = ([, second]: readonly [string, string]): string[] => [
      `update t set k = ${second}, n = 1002 where n = 50`,
    ];
    await expectBothNamed(await collide(bigint, moment, changed, { verify: 'off' }), bigint);
  });
});

const toBigint: ChangeInput = { table: 't', alter: ['alter k type bigint using k::bigint'] };

/** Runs the change with these statements at these moments, and replays them natively in a clone. */
async function expectSameAsNative(
  db: TestDatabase,
  at: Readonly<Record<string, readonly string[]>>,
  settings: { readonly verify?: 'full' | 'off' } = {},
): Promise<void> {
  const done: string[] = [];
  const left = new Map(Object.entries(at));
  await using clone = await db.clone();
  const run = completeChange(db, toBigint, {
    settings: { cutoverDeadlineMs: 30_000, ...settings },
    onPoint: async (point) => {
      const statements = left.get(point) ?? [];
      left.delete(point);
      for (const statement of statements) {
        await db.query(statement);
        done.push(statement);
      }
    },
  });
  const error = await run.then(
    () => null,
    (thrown: unknown) => thrown as Error & Record<string, unknown>,
  );
  for (const statement of done) await clone.query(statement);
  const native = await clone.query('alter table t alter k type bigint using k::bigint').then(
    () => null,
    (thrown: unknown) => (thrown as { code: string }).code,
  );
  // Whatever the change, the run says what ALTER would say at that moment.
  expect({ said: error?.['code'] ?? null, native }).toEqual({
    said: native === null ? null : native === '23505' ? 'unique-violation' : 'row-does-not-fit',
    native,
  });
  if (error === null) expect(await tableOf(db)).toEqual(await tableOf(clone));
}

const numbers = `
  create table t (k varchar(20) primary key, n int);
  insert into t select i::text, i from generate_series(1, 300) as i`;

test('keys that collided for a while: what was written over comes back', async () => {
  const collideAndPart = (i: number): string[] => [
    `insert into t values ('0${i}', 1000)`,
    `delete from t where k = '0${i}'`,
    `update t set k = '0${i + 1}' where k = '${i + 100}'`,
    `update t set k = '${i + 500}' where k = '0${i + 1}'`,
  ];
  for (const verify of ['full', 'off'] as const) {
    await using db = await createDatabase(numbers);
    await expectSameAsNative(
      db,
      {
        copied: collideAndPart(1),
        'caught-up': collideAndPart(11),
        settled: collideAndPart(21),
        verified: collideAndPart(31),
        'cutover-ready': collideAndPart(41),
      },
      { verify },
    );
  }
});

test('a key that cannot be converted, and is gone again, is no obstacle; one that stays is named', async () => {
  await using db = await createDatabase(numbers);
  const passing = (name: string): string[] => [
    `insert into t values ('${name}', 1)`,
    `update t set k = '${name}x' where k = '${name}'`,
    `delete from t where k = '${name}x'`,
  ];
  await expectSameAsNative(db, {
    'shadow-built': passing('none'),
    copied: passing('a'),
    'caught-up': [...passing('b'), ...passing('b2')],
    settled: passing('c'),
    verified: passing('d'),
    'cutover-ready': passing('e'),
  });

  for (const moment of ['copied', 'caught-up', 'cutover-ready']) {
    await using other = await createDatabase(numbers);
    await expectSameAsNative(other, { [moment]: [`update t set k = 'abc' where k = '7'`] });
    const error = await failure(swapChange(other, toBigint));
    expect(error['details']).toMatchObject({ keys: ['k=abc'] });
  }
});

test('whatever is written at random: the verdict is that of ALTER, and so is the table', async () => {
  const random = new Random(Number(process.env['PG_GHOST_SEED'] ?? 20_261));
  const pick = (count: number): number => random.int(0, count - 1);
  const key = (): string => `'${'0'.repeat(random.chance(0.15) ? 1 + pick(2) : 0)}${1 + pick(400)}'`;
  const statement = (): string =>
    [
      `insert into t values (${key()}, 1) on conflict do nothing`,
      `delete from t where k = ${key()}`,
      `update t set n = -n where k = ${key()}`,
      `update t set k = ${key()} where k = ${key()} and not exists (select from t as o where o.k = ${key()})`,
    ][pick(4)] ?? '';
  for (let round = 0; round < 6; round += 1) {
    await using db = await createDatabase(numbers);
    const moments = [
      'shadow-built',
      'capture-on',
      'copied',
      'purged',
      'caught-up',
      'settled',
      'verified',
      'cutover-ready',
    ];
    const at = moments.map(
      (moment) => [moment, Array.from({ length: pick(8) }, statement).map(tolerant)] as const,
    );
    await expectSameAsNative(db, Object.fromEntries(at), { verify: pick(2) === 0 ? 'full' : 'off' });
  }
});

/** A write that the source itself refuses is none. */
function tolerant(statement: string): string {
  return `do $do$ begin ${statement}; exception when unique_violation then null; end $do$`;
}
