/** Two tables change places by one function, whichever of them is the older one. */
import { expect, test } from 'vitest';
import { withDeparseSettings } from '../../src/catalog/deparse-settings.js';
import { readDefinitions } from '../../src/catalog/read-definitions.js';
import { ownSettings } from '../../src/db/settings.js';
import { Session } from '../../src/db/session.js';
import { attachStatements, indexBuilds } from '../../src/ddl/index-build-sql.js';
import { plan as makePlan } from '../../src/index.js';
import { buildShadow } from '../../src/shadow/build-shadow.js';
import { exchange, type ExchangedTables, type ExchangeWork } from '../../src/swap/exchange.js';
import { forward, readiedStatements } from '../../src/swap/forward.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { request } from '../support/migration.js';

const setup = `
  create table parent (id int primary key);
  create table t (
    id int generated always as identity (start 7) primary key,
    n serial,
    parent int references parent,
    v text default 'a' check (v <> '')
  );
  create index by_v on t (v);
  create statistics n_and_v on n, v from t;
  create function told() returns trigger language plpgsql as 'begin return new; end';
  create trigger told before insert on t for each row execute function told();
  alter table t enable row level security;
  create policy own on t using (v > '');
  comment on table t is 'things';
  create table child (t int references t);
  create table done (what text);
  insert into t (v) values ('one')`;
const change = 'alter column id type bigint';

test('there and back: each time the one in use is as the catalog has it natively, and numbers go on', async () => {
  await using db = await createDatabase(setup);
  await using native = await createDatabase(setup);
  await native.query(`alter table t ${change}`);
  const inUse = async (of: typeof db): Promise<unknown> => catalogSnapshot(await of.connect(), 'public');
  const before = await inUse(db);

  await using session = await Session.open({ own: true, connection: { url: db.url }, settings: ownSettings });
  await using watcher = await Session.open({ own: true, connection: { url: db.url } });
  const work: Omit<ExchangeWork, 'mark'> = {
    session,
    watcher,
    look: watcher,
    limits: { lockTimeoutMs: 100, maxHoldMs: 5_000, deadlineMs: 5_000 },
    catchUp: () => Promise.resolve(),
    finish: () => Promise.resolve({ keys: 0, captureMs: 0 }),
    first: () => [`insert into public.done values ('first')`],
    emit: () => undefined,
  };
  const there = await ready(db, session, { table: 't', change, no: 1 });
  await exchange([there], { ...work, mark: said('there') });
  await db.query(
    'alter table child validate constraint child_t_fkey; alter table t validate constraint t_parent_fkey',
  );
  expect(await inUse(db)).toEqual(await inUse(native));
  const nextId = async (): Promise<unknown> =>
    (await db.query(`insert into t (v) values ('more') returning id::int, n`)).rows[0];
  expect(await nextId()).toEqual({ id: 8, n: 2 });

  await exchange([await backFrom(there, session)], { ...work, mark: said('back'), rehearse: true });
  expect(await inUse(db)).toEqual(await inUse(native));
  await exchange([await backFrom(there, session)], { ...work, mark: said('back') });
  await db.query(
    'alter table child validate constraint child_t_fkey; alter table t validate constraint t_parent_fkey',
  );
  expect(await inUse(db)).toEqual(before);
  expect(await nextId()).toEqual({ id: 9, n: 3 });
  expect((await db.query('select what from done')).rows.map(({ what }) => what)).toEqual([
    'first',
    'capture',
    'there',
    'first',
    'capture back',
    'back',
  ]);
});

const two = `
  create table t (id int primary key, v text);
  create table u (id int generated always as identity primary key, t int references t);
  create table done (what text);
  insert into t values (1, 'one'); insert into u (t) values (1)`;
const changes = [
  'alter column id type bigint',
  'alter column id type bigint, alter column t type bigint',
] as const;

test('several pairs are exchanged in one commit, or none of them', async () => {
  await using db = await createDatabase(two);
  await using native = await createDatabase(two);
  for (const [index, table] of ['t', 'u'].entries())
    await native.query(`alter table ${table} ${changes[index]}`);
  const inUse = async (of: typeof db): Promise<unknown> => catalogSnapshot(await of.connect(), 'public');
  const before = await inUse(db);
  await using session = await Session.open({ own: true, connection: { url: db.url }, settings: ownSettings });
  await using watcher = await Session.open({ own: true, connection: { url: db.url } });
  const t = await ready(db, session, { table: 't', change: changes[0], no: 1 });
  const u = await ready(db, session, { table: 'u', change: changes[1], no: 2 });
  const held: unknown[] = [];
  const work: ExchangeWork = {
    session,
    watcher,
    look: watcher,
    mark: said('both'),
    limits: { lockTimeoutMs: 100, maxHoldMs: 5_000, deadlineMs: 5_000 },
    catchUp: () => Promise.resolve(),
    finish: async () => {
      const { rows } = await db.query(`select c.relname from pg_locks join pg_class c on c.oid = relation
        where mode = 'AccessExclusiveLock' and granted and relkind = 'r' and pid = ${session.pid} order by 1`);
      held.push(rows.map(({ relname }) => String(relname)));
      return { keys: 0, captureMs: 0 };
    },
    emit: () => undefined,
  };
  const broken = { ...u, capture: ['select 1 / 0'] };
  await expect(exchange([t, broken], work)).rejects.toThrow('division by zero');
  expect(await inUse(db)).toEqual(before);
  await exchange([t, u], work);
  await db.query('alter table u validate constraint u_t_fkey');
  expect(await inUse(db)).toEqual(await inUse(native));
  expect(held).toEqual([
    ['t', 'u'],
    ['t', 'u'],
  ]);
  expect((await db.query('select what from done order by ctid')).rows.map(({ what }) => what)).toEqual([
    'capture',
    'capture',
    'both',
  ]);
  expect((await db.query('insert into u default values returning id::int')).rows).toEqual([{ id: 2 }]);
});

const said = (what: string): string => `insert into public.done values ('${what}')`;

/** The shadow of a table, complete but for the rows, and what the exchange has to know. */
async function ready(
  db: TestDatabase,
  session: Session,
  { table, change: alter, no }: { readonly table: string; readonly change: string; readonly no: number },
): Promise<ExchangedTables> {
  const plan = await makePlan({ connection: { url: db.url }, request: request({ table, alter: [alter] }) });
  if (plan.verdict !== 'copy') throw new Error(plan.verdict);
  const schemas = { shadow: `ghost_new_${no}`, old: `ghost_old_${no}` };
  const target = await session.transaction(async () => {
    const built = await buildShadow(session, { plan, schemas, owner: { id: no, identity: 'x' } });
    const indexes = indexBuilds(built, schemas.shadow).map(({ statement }) => statement);
    await session.batch([...indexes, ...attachStatements(built, schemas.shadow)]);
    return built;
  });
  return forward({
    plan,
    schemas,
    target,
    shadowOid: target.oid,
    readied: readiedStatements({ id: no, plan, schemas, target }),
    statisticsHomes: homes(plan.source),
    capture: [said('capture')],
  });
}

/** The same two tables, the other way round. */
async function backFrom(there: ExchangedTables, session: Session): Promise<ExchangedTables> {
  const { leaving, coming, hanging, table } = there;
  return {
    ...there,
    leaving: {
      shape: {
        ...coming.shape,
        name: table,
        sequences: coming.shape.sequences.map((each) => inSchema(each, table.schema)),
        statistics: coming.shape.statistics.map((each) => inSchema(each, table.schema)),
      },
      goesTo: coming.comesFrom,
    },
    coming: {
      oid: leaving.shape.oid,
      shape: leaving.shape,
      comesFrom: leaving.goesTo,
      readied: [],
      statisticsHomes: homes(leaving.shape),
    },
    columns: new Map([...there.columns].map(([from, to]) => [to, from])),
    hanging: {
      was: await withDeparseSettings(session, () => readDefinitions(session, coming.oid)),
      // Triggers and policies the old table has kept.
      becomes: { ...hanging.was, views: [], triggers: [], policies: [] },
    },
    lockSet: there.lockSet.map((each) =>
      each.oid === leaving.shape.oid ? { ...each, oid: coming.oid } : each,
    ),
    capture: [said('capture back')],
  };
}

function homes({ statistics }: TableShape): Map<string, string> {
  return new Map(statistics.map(({ name }) => [name.name, name.schema]));
}

function inSchema<T extends { readonly name: { readonly name: string } }>(each: T, schema: string): T {
  return { ...each, name: { schema, name: each.name.name } };
}
