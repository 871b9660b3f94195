/**
 * DDL beside the run, followed (invariant 12). The oracle is the same DDL in a clone, and then the native ALTER. Each test runs
 * many statements at one point, in one run.
 */
import { describe, expect, inject, test } from 'vitest';
import { type MigrationEvent } from '../../src/index.js';
import type { Point } from '../../src/run/points.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { completeChange, failure, runChange } from '../support/migration.js';

const major = inject('serverMajor');

const setup = `
  create schema app;
  create table "Par ent" ("I d" integer primary key);
  create table other (id integer primary key);
  create table t (
    id serial primary key,
    n integer not null default 1,
    m integer,
    code text not null,
    amount integer default 3,
    gone integer,
    v text,
    parent integer,
    "Odd Name" text default 'x',
    pad text default repeat('x', 700),
    constraint n_positive check (n > 0),
    constraint m_small check (m < 1000000) not valid,
    unique (code)
  );
  create index t_n on t (n);
  create index t_gone on t (gone);
  create index t_v on t (v);
  create index t_lower on t (lower(v));
  create extension btree_gist;
  alter index t_lower depends on extension btree_gist;
  alter table t cluster on t_n;
  alter table t add constraint to_gone foreign key (gone) references other;
  create table child (t_id integer, constraint to_t foreign key (t_id) references t);
  create view v1 as select id, v from t;
  create view v2 as select v from v1;
  create view v3 as select id from t;
  create function f() returns bigint language sql return (select count(*) from public.t);
  create function trg() returns trigger language plpgsql as 'begin return new; end';
  create trigger old_trigger before insert on t for each row execute function trg();
  create trigger other_trigger before insert on t for each row execute function trg();
  create policy old_policy on t using (n > 0);
  create rule old_rule as on delete to t where old.id < 0 do instead nothing;
  create statistics old_statistics on n, m from t;
  create publication old_pub for table t;
  create table named (r regclass default 't'::regclass, s regclass default 't'::regclass);
  insert into "Par ent" select generate_series(1, 10);
  insert into other select generate_series(1, 10);
  insert into t (n, m, code, gone, v, parent) select i, i, 'c' || i, 1 + i % 10, 'v' || i, 1 + i % 10 from generate_series(1, 6000) i;
  insert into child values (1), (2);
  grant select on t to public;
`;
const change = {
  table: 't',
  alter: [
    'ALTER COLUMN amount TYPE numeric(12,2)',
    "ADD COLUMN added timestamptz DEFAULT '2020-01-01 00:00+00'",
  ],
};
const native = `alter table t alter column amount type numeric(12,2), add column added timestamptz default '2020-01-01 00:00+00'`;

/** $R, $S are roles. */
const statements: readonly string[] = [
  // Marks, comments, options.
  'alter table t cluster on t_v',
  `comment on table t is 'the table'; comment on column t.v is 'a column'; comment on index t_n is 'an index'`,
  `comment on constraint n_positive on t is 'a check'; comment on trigger old_trigger on t is 'a trigger'`,
  `comment on constraint t_pkey on t is 'a key'; comment on sequence t_id_seq is 'a sequence'`,
  `comment on policy old_policy on t is 'a policy'; comment on rule old_rule on t is 'a rule'`,
  `comment on statistics old_statistics is 'statistics'; comment on view v1 is 'a view'; comment on column v1.v is 'its column'`,
  'alter table t alter column v set statistics 77, alter column n set (n_distinct = 5)',
  'alter table t alter column v set storage external, alter column pad set compression pglz',
  'alter table t set (fillfactor = 77, autovacuum_vacuum_threshold = 99, toast.autovacuum_vacuum_threshold = 98)',
  'alter index t_n set (fillfactor = 66); alter index t_lower alter column 1 set statistics 55',
  // Grants and owners.
  'revoke select on t from public; grant insert, update on t to $R with grant option; grant select (v, "Odd Name") on t to $S',
  'grant select on v1 to $R; grant usage on sequence t_id_seq to $S',
  'alter view v3 owner to $R',
  // Indexes.
  'create index "Late Index" on t (v desc, n) where n > 5',
  'create unique index late_unique on t (id, code)',
  'drop index t_gone; alter index t_v rename to t_v_renamed',
  'alter table t add constraint late_key unique (m, id)',
  // Constraints, defaults.
  'alter table t add constraint late_check check (n < 100000000), add constraint late_not_valid check (n < 5) not valid',
  'alter table t validate constraint m_small; alter table t rename constraint n_positive to n_is_positive',
  `alter table t alter column n drop not null, alter column m set not null, alter column v set default 'new', alter column "Odd Name" drop default`,
  // Foreign keys.
  'alter table t add constraint late_fk foreign key (parent) references "Par ent" on delete cascade deferrable',
  'alter table t drop constraint to_gone',
  'create table late_child (t_id integer references t (id)); alter table child drop constraint to_t',
  // What hangs on it.
  'create view late_view as select id, code from t; create view app.late_view_2 as select * from late_view',
  'create or replace view v2 as select v from v1 where id > 5',
  'create trigger late_trigger after update on t for each row when (old.v is distinct from new.v) execute function trg()',
  'drop trigger old_trigger on t; alter table t disable trigger other_trigger',
  'create policy "Late Policy" on t for select to $R using (v is not null); drop policy old_policy on t',
  'alter table t enable row level security',
  'create rule late_rule as on update to t where new.n = -77 do instead nothing; drop rule old_rule on t',
  'create statistics app.late_statistics on n, v from t; alter statistics old_statistics set statistics 44',
  'create publication late_pub for table t; alter publication old_pub drop table t',
  'create or replace function f() returns bigint language sql return (select max(id) from public.t)',
  'create function late_f() returns bigint language sql return (select min(id) from public.t)',
  `create table late_named ("R r" regclass default 't'::regclass); alter table named alter r drop default, alter s set default 't_v_renamed'`,
  'alter table t replica identity full',
  'alter sequence t_id_seq increment by 5 cache 3',
  'alter index t_n depends on extension btree_gist; alter index t_lower no depends on extension btree_gist',
  ...(major >= 15 ? ['alter publication late_pub set table t (id, v, m) where (id > 3)'] : []),
];

interface Held {
  readonly db: TestDatabase;
  readonly point: Point;
  readonly act: () => Promise<void>;
  readonly settings?: Record<string, unknown>;
  /** Not the first time only. */
  readonly always?: boolean;
}

async function runHolding({
  db,
  point,
  act,
  settings = {},
  always = false,
}: Held): Promise<readonly MigrationEvent[]> {
  let held = false;
  const { events } = await completeChange(db, change, {
    settings: { workers: 1, chunkTimeMs: 10, ...settings },
    onPoint: async (at) => {
      if ((held && !always) || at !== point) return;
      held = true;
      await act();
    },
  });
  expect(held).toBe(true);
  return events;
}

async function expectSame(one: TestDatabase, other: TestDatabase): Promise<void> {
  const [actual, expected] = [await one.connect(), await other.connect()];
  for (const schema of ['public', 'app']) {
    expect(await catalogSnapshot(actual, schema)).toEqual(await catalogSnapshot(expected, schema));
  }
  expect(await tableRows(actual, 't')).toEqual(await tableRows(expected, 't'));
}

describe('all that touches no row', () => {
  for (const point of ['target-stored', 'chunk-copied', 'cutover-ready'] as const) {
    test(`at ${point}`, async () => {
      await using original = await createDatabase(setup);
      const [r, s] = [await original.createRole(), await original.createRole()];
      await original.query(`grant create on schema public to ${r.name}`);
      await using clone = await original.clone();
      const ddl = statements.map((text) => text.replaceAll('$R', r.name).replaceAll('$S', s.name));
      for (const statement of ddl) await clone.query(statement);
      await clone.query(native);
      const events = await runHolding({
        db: original,
        point,
        act: async () => {
          for (const statement of ddl) await original.query(statement);
        },
      });
      expect(events.filter(({ event }) => event === 'source:followed').length).toBeGreaterThan(0);
      await expectSame(original, clone);
      await original.query(`drop owned by ${r.name}, ${s.name}`);
      await clone.query(`drop owned by ${r.name}, ${s.name}`);
    });
  }
});

describe('other kinds', () => {
  const more = [
    'alter table t rename constraint t_pkey to "T key"',
    'create unique index by_code on t (code); alter table t drop constraint t_code_key; alter table t add constraint t_code unique using index by_code deferrable',
    'alter table t add constraint apart exclude using btree (id with =)',
    'alter table t alter column m set not null, alter column m add generated by default as identity (increment by 3)',
    'alter table t owner to $R',
    'grant select on t to $S with grant option; set role $S; grant select on t to public; reset role',
    "create sequence late_seq; alter sequence late_seq owner to $R; alter table t alter column gone set default nextval('late_seq'); alter sequence late_seq owned by t.gone",
    'alter table t set without cluster',
    'alter table t replica identity using index "T key"',
    'alter index t_n rename to swapped; alter index t_v rename to t_n; alter index swapped rename to t_v',
  ];
  for (const point of ['range-verified'] as const) {
    test(`at ${point}`, async () => {
      await using original = await createDatabase(`${setup}; update t set m = 1; drop publication old_pub`);
      const [r, s] = [await original.createRole(), await original.createRole()];
      await original.query(`grant create, usage on schema public to ${r.name}`);
      await using clone = await original.clone();
      const ddl = more.map((text) => text.replaceAll('$R', r.name).replaceAll('$S', s.name));
      for (const statement of ddl) await clone.query(statement);
      await clone.query(native);
      await runHolding({
        db: original,
        point,
        act: async () => {
          for (const statement of ddl) await original.query(statement);
        },
      });
      await expectSame(original, clone);
      for (const db of [original, clone]) {
        await db.query(`reassign owned by ${r.name} to current_user; drop owned by ${r.name}, ${s.name}`);
      }
    });
  }
});

test('indexes that are not valid are left alone while another one is followed', async () => {
  await using original = await createDatabase(setup);
  await using clone = await original.clone();
  const late = 'create index late on t (m, n)';
  await clone.query(late);
  await clone.query(native);
  const events = await runHolding({
    db: original,
    point: 'chunk-copied',
    act: async () => {
      // Values are there more than once; what is left is what a REINDEX CONCURRENTLY that failed leaves.
      for (const name of ['t_v_ccnew', 't_code_key_ccnew']) {
        await expect(
          original.query(`create unique index concurrently ${name} on t (parent)`),
        ).rejects.toThrow('could not create unique index');
      }
      await original.query(late);
    },
  });
  expect(events.filter(({ event }) => event === 'source:followed')).toHaveLength(1);
  await expectSame(original, clone);
});

describe('what no lock keeps still', () => {
  const changes = [
    'grant insert on t to public; grant select (v) on t to public',
    'grant select on v1 to public',
    'create or replace function f() returns bigint language sql return (select max(id) + 1 from public.t)',
  ];
  test.each(['cutover-locked', 'cutover-drained'] as const)('at %s', async (point) => {
    await using original = await createDatabase(setup);
    await using clone = await original.clone();
    for (const statement of changes) await clone.query(statement);
    await clone.query(native);
    const clients = await Promise.all(changes.map(() => original.connect()));
    const later: Promise<unknown>[] = [];
    let free = 0;
    const events = await runHolding({
      db: original,
      point,
      settings: { maxHoldMs: 20_000, harmPerTryMs: 3.6e6, harmPerRunMs: 3.6e7 },
      always: true,
      act: async () => {
        const at = later.length;
        const [statement, client] = [changes[at], clients[at]];
        if (statement === undefined || client === undefined) return;
        const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
        let done = false;
        later.push(client.query(statement).then(() => (done = true)));
        const waits = async (): Promise<boolean> =>
          ((await original.query(`select from pg_locks where pid = $1 and not granted`, [rows[0]?.pid]))
            .rowCount ?? 0) > 0;
        await until(async () => done || (await waits()), { what: 'the statement is done, or waits' });
        if (done) free += 1;
      },
    });
    await Promise.all(later);
    for (const statement of changes.slice(later.length)) await original.query(statement);
    // Each costs a try; one that waits for the swap's lock finds the new table.
    const altered = events.filter((event) => event.event === 'cutover:missed' && event.why === 'altered');
    expect(altered).toHaveLength(free);
    // Later versions lock the table for a GRANT, too.
    if (major === 14) expect(free).toBe(changes.length - 1);
    await expectSame(original, clone);
  });

  test('a grant that is not committed yet, and one that is taken back', async () => {
    await using original = await createDatabase(setup);
    await using clone = await original.clone();
    await clone.query(`grant insert on t to public; ${native}`);
    const [one, other] = [await original.connect(), await original.connect()];
    let missed = 0;
    await completeChange(original, change, {
      settings: { workers: 1 },
      onPoint: async (at) => {
        if (at !== 'verified') return;
        await one.query('begin; grant insert on t to public');
        await other.query('begin; grant delete on v1 to public');
      },
      onEvent: (event) => {
        if (event.event !== 'cutover:missed' || (missed += 1) !== 1) return;
        void one.query('commit').then(() => other.query('rollback'));
      },
    });
    expect(missed).toBeGreaterThan(0);
    await expectSame(original, clone);
  });
});

test('DDL without an end ends the run, where each is followed and where they come too fast for that', async () => {
  await using db = await createDatabase(`
    create table t (id integer primary key, amount integer);
    insert into t select i, i from generate_series(1, 10) as i;`);
  const small = { table: 't', alter: ['ALTER COLUMN amount TYPE numeric(12,2)'] };
  const followed: MigrationEvent[] = [];
  let altered = 0;
  const first = await failure(
    runChange(db, small, {
      // The lock ends the try, the next one meets the next.
      onPoint: async (point) => {
        if (point !== 'following' && point !== 'target-stored') return;
        altered += 1;
        await db.query(`comment on table t is '${altered}'`);
      },
      onEvent: (event) => {
        if (event.event === 'source:followed') followed.push(event);
      },
    }),
  );
  expect(first).toMatchObject({
    code: 'source-changed',
    message: expect.stringMatching(/altered 30 times within a minute, and there is no end of it/) as unknown,
  });
  expect(followed).toHaveLength(30);

  const client = await db.connect();
  const going: Promise<void>[] = [];
  let isOver = false;
  const keepGoing = async (): Promise<void> => {
    for (let n = 0; !isOver; n += 1) await client.query(`comment on column t.amount is '${n}'`);
  };
  const second = await failure(
    runChange(db, small, {
      onPoint: (point) => {
        if (point === 'claimed') going.push(keepGoing());
      },
    }),
  );
  isOver = true;
  await Promise.all(going);
  expect(second).toMatchObject({
    code: 'source-changed',
    message: expect.stringMatching(/changes faster than it can be looked at/) as unknown,
  });
  // What ended the run is over, and nothing is lost.
  const { result } = await completeChange(db, small);
  expect(result.id).toBe(1);
  const { rows } = await db.query(`select obj_description('t'::regclass) as said, sum(amount)::text from t`);
  expect(rows).toEqual([{ said: String(altered), sum: '55.00' }]);
});

describe('rows that obey otherwise than the shadow does', () => {
  const loosened = `
    alter table t alter column n drop not null, drop constraint n_positive, drop constraint t_code_key;
    update t set n = null, code = 'c2' where id in (5, 5900);
    insert into t (id, n, code) values (7001, -5, 'c3');`;
  /** What the log still has for these rows when they are made stricter is nothing but the key. */
  const tightened = `
    update t set v = 'short', m = 1, parent = 1;
    delete from t where id = 17;
    alter table t add constraint v_short check (v = 'short'), add constraint v_key unique (v, id), alter column parent set not null;`;

  test.each(['chunk-copied', 'range-verified'] as const)('at %s', async (point) => {
    await using original = await createDatabase(setup);
    await using clone = await original.clone();
    for (const sql of [loosened, tightened]) await clone.query(sql);
    await clone.query(native);
    await runHolding({
      db: original,
      point,
      act: async () => {
        await original.query(loosened);
        await original.query(tightened);
      },
    });
    await expectSame(original, clone);
  });

  test('while nobody runs it, and twice', async () => {
    await using original = await createDatabase(setup);
    await using clone = await original.clone();
    for (const sql of [loosened, tightened]) await clone.query(sql);
    await clone.query(native);
    for (const [point, sql] of [
      ['chunk-copied', loosened],
      ['caught-up', tightened],
    ] as const) {
      const stop = new AbortController();
      const error = await failure(
        runChange(original, change, {
          signal: stop.signal,
          settings: { workers: 1, chunkTimeMs: 10 },
          onPoint: (at) => {
            if (at === point) stop.abort();
          },
        }),
      );
      expect(error).toMatchObject({ code: 'interrupted' });
      await original.query(sql);
    }
    const { result } = await completeChange(original, change);
    expect(result.id).toBe(1);
    await expectSame(original, clone);
  });
});
