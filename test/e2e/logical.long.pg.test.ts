/** Capture from the WAL, as a run has it. */
import { expect, test, vi } from 'vitest';
import { LogicalCapture } from '../../src/capture/logical/logical-capture.js';
import { abort, finalize, plan, status, verify, type MigrationEvent } from '../../src/index.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAtPoint } from '../support/migration.js';

const setup = `
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 3000) as i;
  create table mirror (like t);
  insert into mirror select * from t`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
const settings = { capture: 'logical' } as const;

async function left(db: TestDatabase): Promise<unknown> {
  const { rows } = await db.query(`
    select slot_name::text as name from pg_replication_slots where database = current_database()
    union all select pubname from pg_publication
    union all select tgname from pg_trigger where not tgisinternal
    order by 1`);
  return rows.map(({ name }) => String(name));
}

test('keys come from the WAL: no write is lost, nothing is on the table, and nothing is left', async () => {
  await using db = await createDatabase(setup);
  const client = await db.connect();
  let number = 0;
  const write = async (): Promise<void> => {
    number += 1;
    await client.query('begin');
    for (const table of ['t', 'mirror']) {
      await client.query(`
        insert into ${table} select ${100_000 + number * 100} + i, 'new' from generate_series(1, 20) as i;
        update ${table} set v = v || '!' where id % 97 = ${number};
        update ${table} set id = -id where id % 211 = ${number};
        delete from ${table} where id % 307 = ${number}`);
    }
    await client.query('commit');
  };
  let during: unknown = null;
  const { result, events } = await runChange(db, change, {
    settings,
    onPoint: async (point) => {
      if (point === 'copied') during = await left(db);
      if (
        [
          'capture-on',
          'chunk-read',
          'chunk-copied',
          'copied',
          'purged',
          'caught-up',
          'verified',
          'cutover-ready',
        ].includes(point)
      )
        await write();
    },
  });
  expect(result.id).toBe(1);
  // What is ours is nobody's DDL.
  expect(events.map(({ event }) => event)).not.toContain('source:followed');
  expect(during).toEqual([expect.stringMatching(/^ghost_1_[0-9a-f]{32}$/u), 'ghost_capture_1']);
  await write();
  const { rows } = await client.query(
    'select * from t full join mirror as m on m.id = t.id and m.v = t.v where m.id is null or t.id is null',
  );
  expect(rows).toEqual([]);
  expect(number).toBeGreaterThan(8);
  expect(await left(db)).toEqual([]);
  await client.end();
  await finalize({ connection: { url: db.url } }, 1);
});

test('stopped, continued, stopped and aborted: the slot waits, and goes', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'copied', { settings });
  expect(await left(db)).toHaveLength(2);
  await db.query(`update t set v = 'between'; update mirror set v = 'between'`);
  await stopAtPoint(db, change, 'verified', { settings: { capture: 'auto' } });
  expect(await status({ connection: { url: db.url } })).toMatchObject([
    { capture: 'logical', phase: 'verify' },
  ]);
  await abort({ connection: { url: db.url } }, 1);
  expect(await left(db)).toEqual([]);
});

/** Rows of the one that the other has not got. */
async function differences(db: TestDatabase): Promise<unknown[]> {
  await db.query('analyze t, mirror');
  const { rows } = await db.query(
    'select t.id, m.id as mirror from t full join mirror as m on m.id = t.id and m.v = t.v where m.id is null or t.id is null limit 5',
  );
  return rows;
}

async function both(db: TestDatabase, ...statements: string[]): Promise<void> {
  const client = await db.connect();
  await client.query('begin');
  for (const table of ['t', 'mirror'])
    for (const statement of statements) await client.query(statement.replaceAll('$T', table));
  await client.query('commit');
  await client.end();
}

/** Transactions that were too long for the memory of our walsender. */
async function spills(db: TestDatabase): Promise<number> {
  const { rows } = await db.query(`
    select coalesce(sum(s.spill_txns), 0)::int as n
    from pg_stat_replication_slots as s
    join pg_replication_slots as r using (slot_name)
    where r.database = current_database()`);
  return Number(rows[0]?.n);
}

test('transactions of all kinds: long ones that the server writes to its disk, taken back in part, prepared, of replicas, with TRUNCATE', async () => {
  await using db = await createDatabase(setup);
  await db.query(`alter database ${db.name} set logical_decoding_work_mem = '64kB'`);
  const writes = async (number: number): Promise<void> => {
    const from = number * 1_000_000;
    await both(db, `insert into $T select ${from} + i, 'long' from generate_series(1, 25000) as i`);
    const aborted = await db.connect();
    await aborted.query(`begin; update t set v = 'aborted'; truncate t; rollback`);
    await aborted.end();
    await both(
      db,
      `savepoint a`,
      `insert into $T values (${from} + 50001, 'taken back')`,
      `rollback to savepoint a`,
      `savepoint b`,
      `insert into $T values (${from} + 50002, 'kept')`,
      `release savepoint b`,
      `update $T set id = -id where id between ${from} + 10 and ${from} + 20`,
    );
    await both(db, `set local session_replication_role = replica`, `delete from $T where id = ${from} + 30`);
    const client = await db.connect();
    await client.query('begin');
    for (const table of ['t', 'mirror'])
      await client.query(`update ${table} set v = 'prepared' where id = ${from} + 40`);
    await client.query(`prepare transaction '${db.name} ${number}'`);
    await client.query(`commit prepared '${db.name} ${number}'`);
    await client.end();
  };
  // A copy of several chunks, and a swap that is tried once more, come there again.
  const passed = new Set<string>();
  let spilled = 0;
  await runChange(db, change, {
    settings,
    onPoint: async (point) => {
      const isFirst = !passed.has(point);
      passed.add(point);
      if (isFirst && point === 'chunk-copied') await writes(1);
      if (isFirst && point === 'caught-up') {
        await both(db, 'truncate $T', `insert into $T select i, 'after' from generate_series(1, 500) as i`);
        await writes(2);
      }
      if (isFirst && point === 'cutover-ready') await writes(3);
      spilled = Math.max(spilled, await spills(db));
    },
  });
  expect(spilled).toBeGreaterThan(0);
  expect(await differences(db)).toEqual([]);
});

test('keys of types whose texts have braces, commas and quotes', async () => {
  await using db = await createDatabase(`
    create type pair as (a int, b text[]);
    create domain numbers as int[];
    create table t (a int[], b pair, c numbers, d text, v text, primary key (a, b, c, d));
    create table mirror (like t including all)`);
  const { rows } = await (async () => {
    const insert = `insert into $T values
      ('{1,2}', '(1,"{a,\\"b c\\"}")', '{3}', E'\\\\ "x", {}()\n', 'one'),
      ('{{1},{2}}', '(,)', '{}', '', 'two'),
      ('{}', '(2,"{}")', '{4}', 'null', 'three')`;
    await both(db, insert);
    await runChange(
      db,
      { table: 't', alter: ['ALTER COLUMN v TYPE varchar(50)'] },
      {
        settings,
        onPoint: async (point) => {
          if (point !== 'caught-up') return;
          await both(
            db,
            `update $T set v = v || '!' where v <> 'two'`,
            `delete from $T where v = 'two'`,
            `update $T set d = d || ',"' where v = 'one!'`,
          );
        },
      },
    );
    return await db.query('(table t except table mirror) union all (table mirror except table t)');
  })();
  expect(rows).toEqual([]);
});

test('a row that is written all the time is no false alarm', async () => {
  await using db = await createDatabase(setup);
  const stop = new AbortController();
  const writing = (async () => {
    const client = await db.connect();
    for (let i = 0; !stop.signal.aborted; i += 1) {
      await client.query('begin');
      for (const table of ['t', 'mirror']) {
        await client.query(`update ${table} set v = '${i}' where id = 7`);
        await client.query(
          i % 2 === 0 ? `delete from ${table} where id = 9` : `insert into ${table} values (9, '${i}')`,
        );
      }
      await client.query('commit');
    }
    await client.end();
  })();
  const { result } = await runChange(db, change, { settings });
  stop.abort();
  await writing;
  expect(result.id).toBe(1);
  expect(await differences(db)).toEqual([]);
});

test('a unique value changes hands, and the log does not say so yet: apply waits for it', async () => {
  await using db = await createDatabase(`${setup}; create unique index on t (v)`);
  const holder = await db.connect();
  const upTo = Object.getOwnPropertyDescriptor(LogicalCapture.prototype, 'upTo')
    ?.value as LogicalCapture['upTo'];
  const waits = vi.spyOn(LogicalCapture.prototype, 'upTo').mockImplementation(async function (
    this: LogicalCapture,
    ...asked
  ) {
    if (asked[0] === 'apply') await holder.query('commit');
    await upTo.apply(this, asked);
  });
  try {
    await runChange(db, change, {
      settings,
      onPoint: async (point) => {
        if (point !== 'indexes-attached') return;
        await both(db, `update $T set v = 'v1' where id = 1`);
        await until(async () => (await db.query('select from ghost.log_1 where k1 = 1')).rows.length > 0, {
          what: 'the entry',
        });
        await holder.query('begin; lock table ghost.truncations_1 in exclusive mode');
        await both(
          db,
          `update $T set v = 'x' where id = 2`,
          `update $T set v = 'v2' where id = 1`,
          `update $T set v = 'v1' where id = 2`,
        );
      },
    });
    expect(waits.mock.calls.map(([moment]) => moment)).toContain('apply');
  } finally {
    waits.mockRestore();
    await holder.end();
  }
  expect(await differences(db)).toEqual([]);
});

test('a replica identity that loses the key ends the run; the slot goes with abort', async () => {
  await using db = await createDatabase(
    `${setup}; create unique index other on t (v); alter table t alter v set not null`,
  );
  const error = await failure(
    runChange(db, change, {
      settings: { ...settings, retryForMs: 0 },
      onPoint: async (point) => {
        if (point !== 'copied') return;
        await db.query('alter table t replica identity full; alter publication ghost_capture_1 set table t');
        await db.query('alter table t replica identity using index other');
        await db.query(`update t set id = -1 where id = 1`);
      },
    }),
  );
  expect(error).toMatchObject({ code: 'capture-interrupted' });
  await abort({ connection: { url: db.url } }, 1);
  expect(await left(db)).toEqual([]);
});

test('what cannot be done is said before anything is', async () => {
  await using db = await createDatabase(
    `${setup}; create table bare (id int not null, v text); create unique index on bare (id)`,
  );
  const bare = { table: 'bare', alter: ['ALTER COLUMN id TYPE bigint'] };
  const at = { connection: { url: db.url } };
  expect(await failure(runChange(db, bare, { settings }))).toMatchObject({
    exitCode: 3,
    reasons: [{ code: 'replica-identity' }],
  });
  await db.query(`
    create unlogged table light (id int primary key);
    create table whole (id int primary key, n int, twice int generated always as (n * 2) stored);
    alter table whole replica identity full;
    create table part (id int primary key, n int, twice int not null generated always as (n * 2) stored, unique (id, twice));
    alter table part replica identity using index part_id_twice_key`);
  const codes = async (table: string): Promise<string[]> =>
    (await plan({ ...at, request: request({ ...bare, table }), settings })).reasons.map(({ code }) => code);
  expect(await codes('light')).toEqual(['unlogged-table']);
  expect(await codes('part')).toEqual(['generated-identity']);
  // Before that PostgreSQL takes such a row for its other columns.
  expect(await codes('whole')).toEqual(db.major < 18 ? [expect.any(String)] : ['generated-identity']);
  const planned = await plan({ ...at, request: request(bare), settings: { capture: 'auto' } });
  expect(planned).toMatchObject({ verdict: 'copy', capture: 'triggers' });
  expect(planned.warnings.map(({ code }) => code)).toContain('capture-by-triggers');
  expect(await plan({ ...at, request: request(change), settings: { capture: 'auto' } })).toMatchObject({
    capture: 'logical',
  });

  await stopAtPoint(db, change, 'indexes-attached', { settings });
  expect(await failure(runChange(db, change, { settings: { capture: 'triggers' } }))).toMatchObject({
    reasons: [{ code: 'another-capture' }],
  });
  expect(await failure(verify(at, 1))).toMatchObject({ reasons: [{ code: 'not-comparable' }] });
  await runChange(db, change, { settings: { capture: 'auto' } });
  expect(await left(db)).toEqual([]);
});

test('a role that owns the table and has REPLICATION is enough, and one that has not is told so', async () => {
  await using db = await createDatabase(setup);
  const able = await db.createRole('replication');
  const other = await db.createRole();
  for (const { name } of [able, other]) {
    await db.query(
      `grant create on database ${db.name} to ${name}; grant usage, create on schema public to ${name}`,
    );
  }
  await db.query(`alter table t owner to ${able.name}; grant ${able.name} to ${other.name}`);
  expect(await failure(runChange(db, change, { url: other.url, settings }))).toMatchObject({
    reasons: [{ code: 'replication-right' }],
  });
  await runChange(db, change, {
    url: able.url,
    settings,
    onPoint: async (point) => {
      if (point === 'chunk-copied') await both(db, `update $T set v = 'x' where id < 100`);
    },
  });
  expect(await differences(db)).toEqual([]);
  expect(await left(db)).toEqual([]);
});

test('the slot waits for who has written: told by name, broken off when asked, and nothing is left', async () => {
  await using db = await createDatabase(setup);
  const writer = await db.connect();
  await writer.query(`begin; create table elsewhere ()`);
  const told: unknown[] = [];
  const onEvent = (event: MigrationEvent): void => {
    if (event.event === 'lock:missed') told.push(event.blockers.map(({ pid }) => pid));
  };
  const pid = (await writer.query('select pg_backend_pid() as pid')).rows[0]?.pid as number;
  const stop = new AbortController();
  const stopped = await failure(
    runChange(db, change, {
      settings,
      signal: stop.signal,
      onEvent: (event) => {
        onEvent(event);
        if (told.length > 0) stop.abort();
      },
    }),
  );
  expect(stopped).toMatchObject({ code: 'interrupted-early' });
  expect(told[0]).toContain(pid);
  expect(await left(db)).toEqual([]);

  const late = await failure(runChange(db, change, { settings: { ...settings, cutoverDeadlineMs: 1000 } }));
  expect(late).toMatchObject({ code: 'slot-not-created', exitCode: 1 });
  expect(late.message).toContain(`pid ${pid}`);
  expect(await left(db)).toEqual([]);

  told.length = 0;
  const { result } = await runChange(db, change, {
    settings,
    onEvent: (event) => {
      onEvent(event);
      if (told.length === 1 && event.event === 'lock:missed') void writer.query('commit');
    },
  });
  expect(result.id).not.toBeNull();
  expect(await left(db)).toEqual([]);
  await writer.end();
});
