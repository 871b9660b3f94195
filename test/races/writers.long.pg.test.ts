/** Every way to write, by whomever, at the moments where it could be missed (invariants 2 and 9). */
import { randomBytes } from 'node:crypto';
import type { Connection, Submittable } from 'pg';
import { describe, expect, inject, test } from 'vitest';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { captureUnderTest, completeChange, failure, runChange } from '../support/migration.js';
import {
  App,
  change,
  early,
  expectMirrored,
  late,
  middle,
  mirrored,
  expectNothingLost,
  raceOn,
  settings,
  tables,
  type At,
  type Moment,
} from './harness.js';

const everywhere: readonly At[] = [
  { point: 'capture-on' },
  { point: 'chunk-read' },
  { point: 'chunk-copied' },
  { point: 'copied' },
  { point: 'purged' },
  { point: 'indexes-attached' },
  { point: 'batch-applied' },
  { point: 'caught-up' },
  { point: 'range-verified' },
  { point: 'verified' },
  { point: 'cutover-ready' },
];

/** The same at every point, each time with other rows. */
async function expectNothingLostEverywhere(
  act: (app: App, number: number, db: TestDatabase) => Promise<unknown>,
  options: Omit<Parameters<typeof expectNothingLost>[0], 'at' | 'act' | 'also'> = {},
): Promise<void> {
  const [first, ...others] = everywhere.map((at, number): Moment => ({
    at,
    act: (app, db) => act(app, number, db),
  }));
  if (first === undefined) throw new Error('no points');
  await expectNothingLost({ ...first, also: others, ...options });
}

const rowsOf = (number: number): readonly [number, number, number] => [
  early + number * 20,
  middle + number * 20,
  late - number * 20,
];

describe('statements', () => {
  test('INSERT ... ON CONFLICT', async () => {
    await expectNothingLostEverywhere((app, number) => {
      const [a, b, c] = rowsOf(number);
      return app.both(
        `insert into $T values (${a}, 'x', 1, 'p'), (${90_000 + number}, 'x', 1, 'p'), (${c}, 'x', 1, 'p')
         on conflict (id) do update set n = excluded.n, code = $T.code || 'u', id = case $T.id when ${c} then ${-c} else $T.id end`,
        `insert into $T values (${b}, 'x', 1, 'p'), (${95_000 + number}, 'x', 1, 'p') on conflict do nothing`,
      );
    });
  });

  test.each(inject('serverMajor') >= 15 ? ['MERGE'] : [])('%s', async () => {
    await expectNothingLostEverywhere((app, number) => {
      const [a, b, c] = rowsOf(number);
      return app.both(
        `merge into $T as t using (values (${a}), (${b}), (${c}), (${90_000 + number})) as s (id) on t.id = s.id
         when matched and s.id = ${a} then delete
         when matched and s.id = ${b} then update set id = ${-b}, n = -1
         when matched then update set code = 'merged'
         when not matched then insert values (s.id, 'merged', 1, 'p')`,
      );
    });
  });

  test('CTEs that write, UPDATE ... FROM, DELETE ... USING', async () => {
    await expectNothingLostEverywhere((app, number) => {
      const [a, b, c] = rowsOf(number);
      return app.both(
        `with gone as (delete from $T where id = ${a} returning *), changed as (update $T set n = -1 where id = ${b} returning *)
         insert into $T select id + 90000, code, n, pad from gone union all select -id, code, n, 'p' from changed`,
        `update $T as t set n = s.n + 1, code = 'from' from (values (${c}, 1), (${c + 1}, 2)) as s (id, n) where t.id = s.id`,
        `delete from $T as t using (values (${c - 1}), (${b + 1})) as s (id) where t.id = s.id`,
      );
    });
  });

  test.each([{ point: 'chunk-read' }, { point: 'chunk-read', nth: 2 }, { point: 'cutover-ready' }] as const)(
    'all rows at once: $point $nth',
    async (at) => {
      await expectNothingLost({ at, act: (app) => app.both(`update $T set n = -n, code = code || '!'`) });
    },
  );

  test('COPY FROM STDIN', async () => {
    await expectNothingLostEverywhere(async (app, number) => {
      const data = Array.from(
        { length: 300 },
        (_, i) => `${100_000 + number * 1000 + i}\tcopied\t${i}\t${'y'.repeat(700)}\n`,
      ).join('');
      await app.query('begin');
      for (const table of ['t', 'mirror']) await copyFrom(app, `copy public.${table} from stdin`, data);
      await app.query('commit');
      await app.both(`update $T set n = -1 where id = ${100_005 + number * 1000}`);
    });
  });

  test('COPY FROM STDIN that began before capture was on, into a session that waits', async () => {
    let missed = 0;
    await using db = await createDatabase(tables());
    const writer = await App.connect(db);
    await writer.query('begin');
    for (const table of ['t', 'mirror'])
      await copyFrom(writer, `copy public.${table} from stdin`, `90000\tearly\t1\tp\n`);
    const app = await App.connect(db);
    let more: Promise<void> | undefined;
    await raceOn(db, app, [], {
      onEvent: (event) => {
        if (event.event !== 'lock:missed' || (missed += 1) !== 2) return;
        more = (async () => {
          for (const table of ['t', 'mirror'])
            await copyFrom(writer, `copy public.${table} from stdin`, `90001\tearly\t1\tp\n`);
          await writer.query('commit');
        })();
        more.catch(() => {});
      },
    });
    await more;
    expect(missed).toBeGreaterThanOrEqual(2);
    await expectMirrored(db);
    expect(await app.count('public.t where id >= 90000')).toBe(2);
  });

  test('functions, DO blocks with exceptions, and savepoints', async () => {
    await expectNothingLostEverywhere(async (app, number) => {
      const [a, b, c] = rowsOf(number);
      await app.both(
        `update $T set n = -1 where id = ${a}`,
        'savepoint one',
        `delete from $T where id = ${b}`,
        `update $T set id = -${c} where id = ${c}`,
        'savepoint two',
        `insert into $T values (${90_000 + number}, 'two', 1, 'p')`,
        'rollback to savepoint two',
        `update $T set n = -2 where id = ${b + 1}`,
        'release savepoint one',
        'savepoint three',
        `delete from $T where id in (${a}, ${a + 1}, -${c})`,
        'rollback to savepoint three',
        `insert into $T values (${b}, 'three', 3, 'p')`,
      );
      await app.both(`do $$ begin
        update $T set n = -3 where id = ${a + 2};
        begin
          delete from $T where id = ${a + 3};
          update $T set id = ${70_000 + number} where id = ${c + 2};
          insert into $T values (${a + 2}, 'taken', 0, 'p');
        exception when unique_violation then
          update $T set code = 'caught' where id = ${c + 2};
        end;
        begin
          update $T set id = ${71_000 + number} where id = ${c + 3};
          perform 1 / 0;
        exception when division_by_zero then null;
        end;
        for i in 1 .. 70 loop
          begin
            update $T set n = n + 1 where id = ${b + 5};
            if i % 2 = 0 then raise exception 'undo'; end if;
          exception when raise_exception then null;
          end;
        end loop;
      end $$`);
    });
  });

  test('a transaction that is rolled back leaves nothing', async () => {
    await expectNothingLostEverywhere(async (app, number) => {
      const [a, b, c] = rowsOf(number);
      await app.query('begin');
      await app.query(
        `update public.t set n = -1 where id = ${a}; delete from public.t where id = ${b}; update public.t set id = -${c} where id = ${c}`,
      );
      await app.query('rollback');
    });
  });
});

/** pg has no COPY of its own, but speaks the protocol. */
async function copyFrom(app: App, sql: string, data: string): Promise<void> {
  type CopyConnection = Connection & {
    query(text: string): void;
    sendCopyFromChunk(chunk: Buffer): void;
    endCopyFrom(): void;
  };
  await new Promise<void>((resolve, reject) => {
    let failed: Error | undefined;
    const submittable = {
      submit: (connection: Connection) => (connection as CopyConnection).query(sql),
      handleCopyInResponse: (connection: Connection) => {
        (connection as CopyConnection).sendCopyFromChunk(Buffer.from(data));
        (connection as CopyConnection).endCopyFrom();
      },
      handleCommandComplete: () => {},
      handleError: (error: Error) => {
        failed = error;
        reject(error);
      },
      handleReadyForQuery: () => (failed === undefined ? resolve() : undefined),
    };
    app.client.query(submittable as unknown as Submittable);
  });
}

describe('sessions', () => {
  test('session_replication_role = replica', async () => {
    await expectNothingLostEverywhere(async (app, number) => {
      const [a, b, c] = rowsOf(number);
      await app.query('set session_replication_role = replica');
      await app.both(
        `update $T set n = -1 where id = ${a}`,
        `delete from $T where id = ${b}`,
        `update $T set id = -${c} where id = ${c}`,
        `insert into $T values (${90_000 + number}, 'replica', 1, 'p')`,
      );
    });
  });

  test('a role without any right on our schema, with an empty search_path', async () => {
    await using db = await createDatabase(tables());
    const role = await db.createRole();
    await db.query(`grant select, insert, update, delete, truncate on t, mirror to ${role.name}`);
    const app = await App.connect(db, role.url);
    await app.query(`set search_path = ''`);
    const act: Moment['act'] = async () => {
      const [a, b, c] = rowsOf(everywhere.length);
      await app.both(
        `update $T set n = n - 1 where id = ${a}`,
        `delete from $T where id = ${b}`,
        `update $T set id = -id where id in (${c}, -${c})`,
        `insert into $T values (90000, 'app', 1, 'p') on conflict (id) do update set n = $T.n + 1`,
        `insert into $T values (${b}, 'app', 1, 'p')`,
      );
    };
    await raceOn(db, app, [
      ...everywhere.map((at) => ({ at, act })),
      {
        at: { point: 'copied' },
        act: () =>
          app.both(
            'truncate $T',
            `insert into $T select i, 'c', i, 'p' from pg_catalog.generate_series(1, 8000) as i`,
          ),
      },
    ]);
    await act(app, db);
    await expectMirrored(db);
  });

  test('row level security: a writer that sees only its own rows', async () => {
    await using db = await createDatabase(tables());
    const role = await db.createRole();
    await db.query(`grant select, insert, update, delete on t, mirror to ${role.name}`);
    for (const table of ['t', 'mirror']) {
      await db.query(`
        alter table ${table} enable row level security;
        alter table ${table} force row level security;
        create policy own on ${table} to ${role.name} using (n % 2 = 0) with check (n % 2 = 0)`);
    }
    const app = await App.connect(db, role.url);
    const act =
      (number: number): Moment['act'] =>
      async () => {
        const [a, b, c] = rowsOf(number);
        await app.both(
          // Of two neighbours it sees one.
          `update $T set code = 'mine', n = n + 2 where id in (${a}, ${a + 1})`,
          `delete from $T where id in (${b}, ${b + 1})`,
          `update $T set id = -id where id in (${c}, ${c + 1})`,
          `insert into $T values (${90_000 + number}, 'mine', 2, 'p')`,
        );
        await expect(app.query(`insert into public.t values (0, 'not mine', 1, 'p')`)).rejects.toMatchObject({
          code: '42501',
        });
        await app.both(`update $T set n = n + 2`);
      };
    await raceOn(
      db,
      app,
      everywhere.map((at, number) => ({ at, act: act(number) })),
    );
    await act(everywhere.length)(app, db);
    await expectMirrored(db);
    expect(await app.count('public.t where n % 2 <> 0')).toBe(0);
    const { rows } = await db.query(`select count(*)::int as n from t where n % 2 <> 0`);
    expect(rows).toEqual([{ n: 4000 }]);
  });
});

describe('transactions that are older than capture', () => {
  test('one that has written keeps capture waiting, until it commits; its writes are there', async () => {
    await using db = await createDatabase(tables());
    const writer = await App.connect(db);
    await writer.query('begin');
    const write = async (sql: string): Promise<void> => {
      for (const table of ['t', 'mirror']) await writer.query(sql.replaceAll('$T', `public.${table}`));
    };
    await write(`update $T set n = -1 where id = ${early}`);
    const app = await App.connect(db);
    const missed: (readonly string[])[] = [];
    let more: Promise<void> | undefined;
    let committed = false;
    await raceOn(
      db,
      app,
      [
        {
          at: { point: 'capture-on' },
          act: () => {
            expect(committed).toBe(true);
            return Promise.resolve();
          },
        },
      ],
      {
        onEvent: (event) => {
          if (event.event !== 'lock:missed') return;
          missed.push(event.blockers.flatMap((blocker) => blocker.lockModes));
          if (missed.length !== 3) return;
          more = (async () => {
            await write(`update $T set n = -2 where id = ${late}`);
            await write(`delete from $T where id = ${middle}`);
            committed = true;
            await writer.query('commit');
          })();
          more.catch(() => {});
        },
      },
    );
    await more;
    expect(missed.length).toBeGreaterThanOrEqual(3);
    if (captureUnderTest === 'triggers') expect(missed[0]).toContain('ROW EXCLUSIVE');
    await expectMirrored(db);
  });

  const ends: readonly At[] = [
    { point: 'chunk-copied' },
    { point: 'copied' },
    { point: 'purged' },
    { point: 'batch-applied' },
  ];
  /** A slot waits for every transaction that has one: none is older than that capture. */
  const anId = captureUnderTest === 'triggers' ? ['select pg_current_xact_id()'] : [];
  const kinds: readonly { name: string; begin: readonly string[]; last: At | 'awaited' }[] = [
    {
      name: 'with a snapshot',
      begin: ['begin isolation level repeatable read', 'select 1'],
      last: 'awaited',
    },
    {
      name: anId.length > 0 ? 'with a transaction id' : 'without anything',
      begin: ['begin', ...anId],
      last: { point: 'cutover-ready' },
    },
    {
      name: 'with a snapshot, an id and prepared statements that have seen the table',
      begin: ['begin isolation level repeatable read', ...anId, 'execute change(5)'],
      last: 'awaited',
    },
  ];

  describe.each(kinds)('one $name writes when capture is on', ({ name, begin, last }) => {
    // A snapshot that is older than the new table's rows keeps the swap waiting.
    test.each(last === 'awaited' ? [...ends, { point: 'awaited' as const }] : [...ends, last])(
      'and commits at $point',
      async (end) => {
        await using db = await createDatabase(tables());
        const old = await App.connect(db);
        if (name.includes('prepared')) {
          // Planned and cached while there was no trigger; reads only, for a write would keep capture out.
          await old.query(`prepare change(int) as select n from public.mirror where id = $1`);
          await old.query(`prepare write(int) as update public.t set n = -7 where id = $1`);
          for (let i = 0; i < 7; i += 1) await old.query('begin; execute write(1); rollback');
        }
        for (const statement of begin) await old.query(statement);
        const write = async (...statements: string[]): Promise<void> => {
          for (const statement of statements) {
            for (const table of ['t', 'mirror'])
              await old.query(statement.replaceAll('$T', `public.${table}`));
          }
        };
        const app = await App.connect(db);
        const begun: Moment = {
          at: { point: 'capture-on' },
          act: async () => {
            await write(
              `update $T set n = -1 where id in (${early}, ${late})`,
              `update $T set id = -id where id in (${early + 1}, ${middle})`,
              `insert into $T values (90000, 'old', 1, 'p')`,
            );
            if (name.includes('prepared')) {
              await old.query('execute write(30)');
              await old.query('update public.mirror set n = -7 where id = 30');
            }
          },
        };
        // Others write the same places meanwhile.
        const others: Moment = {
          at: { point: 'chunk-read' },
          act: () => app.both(`update $T set n = -3 where id in (${early + 5}, ${late - 5})`),
        };
        let done: Promise<void> | undefined;
        const finish = async (): Promise<void> => {
          await write(`delete from $T where id in (${early + 2}, ${late - 2})`);
          await old.query('commit');
        };
        const ended: Moment[] = end.point === 'awaited' ? [] : [{ at: end as At, act: finish }];
        await raceOn(db, app, [begun, others, ...ended], {
          onEvent: (event) => {
            if (event.event !== 'lock:missed' || event.what !== 'the end of old snapshots') return;
            expect(end.point).toBe('awaited');
            done ??= finish();
            done.catch(() => {});
          },
        });
        await done;
        expect(done === undefined).toBe(end.point !== 'awaited');
        await expectMirrored(db);
      },
    );
  });

  test('one that writes for the first time between the last batch and the swap', async () => {
    await using db = await createDatabase(tables());
    const old = await App.connect(db);
    await old.query(['begin', ...anId].join('; '));
    const app = await App.connect(db);
    const moment: Moment = {
      at: { point: 'cutover-ready' },
      act: async () => {
        for (const table of ['t', 'mirror'])
          await old.query(`update public.${table} set n = -1 where id in (${early}, ${late})`);
        await old.query('commit');
      },
    };
    await raceOn(db, app, [moment]);
    await expectMirrored(db);
  });
});

describe('the segments of the log change places', () => {
  // Long keys: 8 MB of them are soon written.
  const setup = tables(`k text default repeat('k', 400)`, `repeat('k', 400)`)
    .replace('id int primary key', 'id int not null')
    .replace(`default repeat('k', 400)`, `default repeat('k', 400), primary key (id, k)`);

  /** A transaction that is open while it happens; it writes before and after. */
  test.each([
    { name: 'only rows', truncate: false },
    { name: 'and the table is truncated', truncate: true },
  ])('under writers whose transactions go on, $name', async ({ truncate }) => {
    await using db = await createDatabase(setup);
    const app = await App.connect(db);
    const old = await App.connect(db);
    const write = async (sql: string): Promise<void> => {
      for (const table of ['t', 'mirror']) await old.query(sql.replaceAll('$T', `public.${table}`));
    };
    const [a, b, c] = [early, middle, late];
    await raceOn(db, app, [
      {
        at: { point: 'chunk-copied' },
        act: async () => {
          await old.query('begin');
          await write(`update $T set n = -1 where id in (${a}, ${c})`);
          await app.query(
            `do $$ begin for time in 1 .. 20 loop update public.t set n = n where id between 5001 and 6000; end loop; end $$`,
          );
          await until(
            async () => {
              await app.both(`update $T set n = n + 1 where id = ${a + 1}`);
              return await app.count('ghost.log_b_1');
            },
            { what: 'the other segment is written to' },
          );
          await write(`update $T set id = -id where id in (${a}, ${b})`);
          await write(`delete from $T where id = ${c - 1}`);
        },
      },
      {
        at: { point: 'purged' },
        act: async () => {
          // It is in use: nobody may empty it.
          expect(await app.count('ghost.log_1')).toBeGreaterThan(0);
          await write(`update $T set n = -2 where id = ${c}`);
          await old.query('commit');
          await app.both(`update $T set id = id + 90000 where id in (${a + 1}, ${c - 2})`);
          if (truncate) await app.both('truncate $T', `insert into $T values (${a}, 'after', 1, 'p', 'k')`);
          await until(async () => (await app.count('ghost.log_1')) === 0, {
            what: 'the first segment is emptied',
          });
        },
      },
      {
        at: { point: 'log-compacted' },
        // The run stands at the point before: in a session of its own.
        act: async () => {
          const other = await App.connect(db);
          await other.both(
            `update $T set id = id + 80000 where id in (${b + 1}, ${c - 3})`,
            `insert into $T values (99999, 'compacted', 1, 'p', 'k')`,
          );
        },
      },
    ]);
    await expectMirrored(db);
  });
});

describe('writers that wait for the swap', () => {
  test('go on on the new table', async () => {
    await expectNothingLost({
      settings: { maxHoldMs: 20_000 },
      at: { point: 'cutover-ready' },
      act: (app) => app.both(`update $T set n = -1 where id = ${early}`),
      also: [
        {
          at: { point: 'cutover-locked' },
          act: async (app) => {
            await app.later(`update $T set n = -2 where id = ${early}`);
            await app.later(`insert into $T values (90000, 'queued', 1, 'p')`);
            await app.later(`delete from $T where id = ${late}`);
          },
        },
        {
          at: { point: 'cutover-drained' },
          act: async (app) => {
            await app.later(`update $T set id = -id where id = ${middle}`);
            await app.later(`do $$ begin update $T set n = -4 where id = ${middle + 1}; end $$`);
            await app.later(
              `insert into $T values (${early}, 'x', 5, 'p') on conflict (id) do update set code = 'upserted'`,
            );
            await app.later(`lock table $T in exclusive mode`, `delete from $T where id between 500 and 600`);
          },
        },
      ],
      finalCheck: async (db) => {
        expect((await db.query('select count(*)::int as n from ghost_old_1.t')).rows).toEqual([{ n: 8000 }]);
      },
    });
  });

  test('one that has begun before the swap, and writes the table only after it', async () => {
    await using db = await createDatabase(tables());
    const writer = await App.connect(db);
    // That of another kind than by trigger waits for whoever has an id.
    await writer.query(captureUnderTest === 'triggers' ? 'begin; select pg_current_xact_id()' : 'begin');
    const app = await App.connect(db);
    await raceOn(db, app, [
      { at: { point: 'swapped' }, act: () => writer.query(`update public.t set n = -1 where id = ${early}`) },
    ]);
    await writer.query(`update public.mirror set n = -1 where id = ${early}; commit`);
    await expectMirrored(db);
  });
});

describe('two-phase commit', () => {
  const gids = (): readonly [string, string] => {
    const unique = randomBytes(6).toString('hex');
    return [`race_${unique}_a`, `race_${unique}_b`];
  };

  const moments: readonly { readonly from: At; readonly to: At }[] = [
    { from: { point: 'capture-on' }, to: { point: 'chunk-copied' } },
    { from: { point: 'chunk-copied' }, to: { point: 'chunk-copied', nth: 2 } },
    { from: { point: 'chunk-copied' }, to: { point: 'copied' } },
    { from: { point: 'chunk-copied' }, to: { point: 'purged' } },
    { from: { point: 'chunk-copied' }, to: { point: 'indexes-attached' } },
    { from: { point: 'chunk-copied' }, to: { point: 'caught-up' } },
    { from: { point: 'purged' }, to: { point: 'batch-applied' } },
    { from: { point: 'caught-up' }, to: { point: 'range-verified' } },
    { from: { point: 'range-verified' }, to: { point: 'cutover-ready' } },
  ];
  test.each(moments)('prepared at $from.point, committed at $to.point', async ({ from, to }) => {
    const [kept, undone] = gids();
    await expectNothingLost({
      at: from,
      act: async (app) => {
        await app.query(
          twoPhase(kept, [
            `update $T set n = -1 where id in (${early}, ${late})`,
            `update $T set id = -id where id in (${early + 1}, ${middle})`,
            `delete from $T where id = ${late - 1}`,
            `insert into $T values (90000, 'prepared', 1, 'p')`,
          ]),
        );
        await app.query(
          twoPhase(undone, [
            `update $T set n = -2 where id in (${early + 3}, ${late - 3})`,
            `insert into $T values (90001, 'undone', 1, 'p')`,
          ]),
        );
        await app.both(`update $T set n = -3 where id = ${middle + 1}`);
      },
      also: [
        {
          at: to,
          act: async (app) => {
            await app.query(`commit prepared '${kept}'`);
            await app.query(`rollback prepared '${undone}'`);
          },
        },
      ],
    });
  });

  test('left prepared: exit 5 names it; committed, the same command finishes', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const [gid] = gids();
    const moment: Moment = {
      at: { point: 'chunk-copied' },
      act: () => app.query(twoPhase(gid, [`update $T set n = -1 where id in (${early}, ${late})`])),
    };
    const error = await failure(
      raceOn(db, app, [moment], { settings: { cutoverDeadlineMs: 1_000, lockTimeoutMs: 50 } }),
    );
    expect(error).toMatchObject({ code: 'cutover-not-obtained', exitCode: 5 });
    const { blockers } = error['details'] as {
      blockers: { pid: number; application: string; lockModes: string[] }[];
    };
    expect(blockers).toMatchObject([{ pid: 0, application: gid, backendType: 'prepared transaction' }]);
    expect(blockers[0]?.lockModes).toContain('ROW EXCLUSIVE');
    expect(error.message).toContain(gid);
    await app.query(`commit prepared '${gid}'`);
    const { result } = await completeChange(db, change);
    expect(result.id).toBe(1);
    expect(
      (
        await db.query(
          `(select * from t except all select * from mirror) union all (select * from mirror except all select * from t)`,
        )
      ).rows,
    ).toEqual([]);
    expect((await db.query(`select n from t where id = ${late}`)).rows).toEqual([{ n: -1 }]);
  });

  test('left prepared before the start: capture names it', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const [gid] = gids();
    await app.query(twoPhase(gid, [`update $T set n = -1 where id = ${early}`]));
    const error = await failure(
      runChange(db, change, { settings: { ...settings, cutoverDeadlineMs: 1_000, lockTimeoutMs: 50 } }),
    );
    expect(error).toMatchObject({
      code: captureUnderTest === 'triggers' ? 'lock-not-obtained' : 'slot-not-created',
      exitCode: 1,
    });
    expect(error.message).toContain(gid);
    await app.query(`commit prepared '${gid}'`);
    await completeChange(db, change);
    expect((await db.query(`select n from t where id = ${early}`)).rows).toEqual([{ n: -1 }]);
  });

  /** Ends any transaction before it; the mirror is written in the same one. */
  function twoPhase(gid: string, statements: readonly string[]): string {
    const both = statements.flatMap((statement) => [
      statement.replaceAll('$T', 'public.t'),
      statement.replaceAll('$T', 'public.mirror'),
    ]);
    return `begin; ${both.join('; ')}; prepare transaction '${gid}'`;
  }
});

describe('two runs', () => {
  test('of two tables at once, with writers on both', async () => {
    await using db = await createDatabase(
      `${tables()}; create table u (like t including all); insert into u select * from t; create table mirror_u (like u including all); insert into mirror_u select * from u`,
    );
    const app = await App.connect(db);
    const stop = new AbortController();
    const writer = async (number: number): Promise<number> => {
      const client = await db.connect();
      let written = 0;
      for (let step = number; !stop.signal.aborted; step += 2) {
        const [a, b] = [1 + ((step * 37) % 8_000), 1 + ((step * 101) % 8_000)];
        for (const [table, mirror] of [
          ['t', 'mirror'],
          ['u', 'mirror_u'],
        ] as const) {
          const both = (sql: string): string =>
            `${sql.replaceAll('$T', table)}; ${sql.replaceAll('$T', mirror)}`;
          await client.query(
            `begin; select pg_advisory_xact_lock(1); ${both(`update $T set n = n + 1 where id = ${a}; delete from $T where id = ${b}; insert into $T values (${b}, 'again', ${step}, 'p')`)}; commit`,
          );
          written += 1;
        }
      }
      return written;
    };
    const writers = Promise.all([writer(0), writer(1)]);
    // Each of them waits for the other at two points: they really run side by side.
    const meet = meeting();
    const run = (table: string): Promise<unknown> => {
      const met = new Set<string>();
      return runChange(
        db,
        { ...change, table },
        {
          settings,
          onPoint: async (point) => {
            if ((point !== 'chunk-copied' && point !== 'cutover-ready') || met.has(point)) return;
            met.add(point);
            await meet(point);
          },
        },
      );
    };
    try {
      await Promise.all([run('t'), run('u')]);
    } finally {
      stop.abort();
    }
    const written = await writers;
    expect(written.every((number) => number > 10)).toBe(true);
    for (const [table, mirror] of [
      ['t', 'mirror'],
      ['u', 'mirror_u'],
    ]) {
      const { rows } = await db.query(
        `(select * from ${table} except all select * from ${mirror}) union all (select * from ${mirror} except all select * from ${table}) limit 5`,
      );
      expect([table, rows]).toEqual([table, []]);
    }
    const { rows } = await db.query('select phase from ghost.migrations');
    expect(rows).toEqual([{ phase: 'swapped' }, { phase: 'swapped' }]);
    await app.query('select 1');
  });

  /** Two parties; the first at a place waits for the second. */
  function meeting(): (place: string) => Promise<void> {
    const waiting = new Map<string, () => void>();
    return async (place) => {
      const other = waiting.get(place);
      if (other !== undefined) {
        other();
        return;
      }
      await new Promise<void>((resolve) => waiting.set(place, resolve));
    };
  }

  test.each([
    { name: 'the same change', second: change },
    { name: 'another change', second: { table: 't', alter: ['ALTER COLUMN n TYPE bigint'] } },
  ])('of one table, $name: the second is refused, the first goes on', async ({ second }) => {
    const errors: unknown[] = [];
    await expectNothingLost({
      at: { point: 'chunk-copied' },
      act: async (app, db) => {
        errors.push(await failure(runChange(db, second, { settings })));
        await app.both(`update $T set n = -1 where id in (${early}, ${late})`);
      },
      also: [
        {
          at: { point: 'cutover-ready' },
          act: async (app, db) => {
            errors.push(await failure(runChange(db, second, { settings })));
            await app.both(`update $T set n = -2 where id in (${early}, ${late})`);
          },
        },
      ],
    });
    for (const error of errors) expect(error).toMatchObject({ exitCode: 3 });
    expect(errors).toHaveLength(2);
  });

  test('begun at the same moment on one table: one of them does it', async () => {
    await using db = await createDatabase(tables());
    const outcomes = await Promise.allSettled([1, 2].map(() => runChange(db, change, { settings })));
    const refused = outcomes
      .filter((outcome) => outcome.status === 'rejected')
      .map(({ reason }) => reason as { exitCode: number });
    expect(refused).toMatchObject([{ exitCode: 3 }]);
    await mirrored(await db.connect(), `update $T set n = -1 where id = ${early}`);
    await expectMirrored(db);
  });
});
