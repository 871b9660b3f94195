/**
 * Event triggers fire at our statements as at everybody's: what they add to a new table is not in the result, what they forbid
 * is told by their names before anything is copied, and nothing is left behind.
 */
import { describe, expect, inject, test } from 'vitest';
import { describePlan, abort, finalize, plan } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { allAtOnce, base as carriedBase, common } from './carried.js';
import { failure, request, runChange, stopAfterCopy } from '../support/migration.js';

const major = inject('serverMajor');
const change = { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'] };

const base = `
  create table orders (id integer primary key, note text);
  insert into orders select i, 'note ' || i from generate_series(1, 300) as i;
  create table audit (what text);
  grant insert on audit to public;
  create function audit_row() returns trigger language plpgsql as
    'begin insert into public.audit values (tg_op); return null; end';`;

/** At each table that is made (or altered, with its tags), runs a statement with the table for %1$s. */
function atTables(name: string, statement: string, { tags = 'CREATE TABLE', definer = false } = {}): string {
  return `
    create function "${name} fn"() returns event_trigger language plpgsql ${definer ? 'security definer' : ''} as $body$
      declare r record;
      begin
        -- What it does itself is DDL too.
        if current_setting('event.busy', true) = 'yes' then return; end if;
        perform set_config('event.busy', 'yes', true);
        for r in select * from pg_event_trigger_ddl_commands() where command_tag = '${tags.split(',')[0] ?? ''}' and object_type = 'table' loop
          execute format($cmd$${statement}$cmd$, r.object_identity);
        end loop;
        perform set_config('event.busy', '', true);
      end $body$;
    create event trigger "${name}" on ddl_command_end when tag in ('${tags}') execute function "${name} fn"();`;
}

function forbidding(name: string, event: string, tag: string | null): string {
  return `
    create function ${name}_fn() returns event_trigger language plpgsql as $body$ begin raise exception 'not in this database'; end $body$;
    create event trigger ${name} on ${event} ${tag === null ? '' : `when tag in ('${tag}')`} execute function ${name}_fn();`;
}

/** What hangs on new tables by then, in the order of a zealous administrator. */
const zealous = [
  atTables('Row security', 'alter table %1$s enable row level security, force row level security'),
  atTables(
    'audit',
    'create trigger audit after insert or update or delete on %1$s for each row execute function public.audit_row(); alter table %1$s enable always trigger audit',
  ),
  atTables('columns', `alter table %1$s add column if not exists created_at timestamptz default now()`),
  atTables('index', `create index on %1$s ((1))`),
  atTables('policy', `create policy everybody on %1$s using (true)`),
  atTables('rule', `create rule no_delete as on delete to %1$s do instead nothing`),
  atTables('comment', `comment on table %1$s is 'made by an application'`),
  atTables('options', `alter table %1$s set (fillfactor = 50)`),
  atTables('grants', `grant select, update on %1$s to public`),
  atTables('identity', `alter table %1$s replica identity full`),
].join('\n');

async function leftovers(db: TestDatabase): Promise<unknown[]> {
  const { rows } = await db.query(
    `select nspname from pg_namespace where nspname like 'ghost\\_%'
     union all select tgname from pg_trigger where tgname like 'ghost%'
     union all select relname from pg_class where relnamespace = to_regnamespace('ghost') and relname ~ '_[0-9]+$'`,
  );
  return rows;
}

describe('what event triggers add to new tables', () => {
  test('is not in the result, for an ordinary owner', async () => {
    await using original = await createDatabase(base);
    const owner = await original.createRole();
    await original.query(`
      alter table orders owner to ${owner.name};
      grant create on database ${original.name} to ${owner.name};
      grant all on schema public to ${owner.name};
      ${zealous}`);
    await using clone = await original.clone();
    await clone.query(`alter table orders alter column id type bigint`);

    const { result } = await runChange(original, change, { url: owner.url });
    const { rows: audited } = await original.query('select * from audit');
    await finalize({ connection: { url: owner.url } }, result.id ?? 0);

    const [actual, expected] = [await original.connect(), await clone.connect()];
    expect(await catalogSnapshot(actual, 'public')).toEqual(await catalogSnapshot(expected, 'public'));
    expect(await tableRows(actual, 'orders')).toEqual(await tableRows(expected, 'orders'));
    // Neither the copy nor the state nor the change log fired anything.
    expect(audited).toEqual([]);
    expect(await leftovers(original)).toEqual([]);
    const application = await original.connect(owner.url);
    expect((await application.query('select count(*)::int as seen from orders')).rows).toEqual([
      { seen: 300 },
    ]);
  });

  test.each([
    ['triggers', 'integer primary key', 'bigint'],
    ['logical', 'integer primary key', 'bigint'],
    // Keys that may become equal are counted: the log has one column more.
    ['triggers', 'text primary key', 'citext'],
  ] as const)('is not in the change log: --capture %s, %s to %s', async (capture, key, type) => {
    await using db = await createDatabase(`
      create extension citext;
      create table t (id ${key}, v text);
      insert into t select i, 'v' from generate_series(1, 300) as i;
      create table audit (what text);
      create function audit_row() returns trigger language plpgsql as $$
        begin insert into public.audit values (tg_table_name); return null; end $$;
      ${zealous}`);
    let written = 0;
    await runChange(
      db,
      { table: 't', alter: [`ALTER COLUMN id TYPE ${type}`] },
      {
        settings: { capture },
        onPoint: async (point) => {
          if (point !== 'capture-on' && point !== 'copied') return;
          written += 1;
          await db.query(
            `update t set v = 'w${written}' where id::text like '%${written}'; insert into t values (${written + 1000}, 'n')`,
          );
        },
      },
    );
    const { rows } = await db.query(`select v, count(*)::int from t group by v order by v`);
    expect(rows).toEqual([
      { v: 'n', count: 2 },
      { v: 'v', count: 240 },
      { v: 'w1', count: 30 },
      { v: 'w2', count: 30 },
    ]);
    expect((await db.query('select * from audit')).rows).toEqual([]);
  });

  test('is told by plan, and what hangs on the table itself comes back in the swap', async () => {
    await using original = await createDatabase(base);
    await original.query(`
      ${zealous}
      create trigger audit after insert on orders for each row execute function audit_row();
      alter table orders enable row level security;
      create policy everybody on orders using (true);
      create view notes with (security_barrier) as select id, note from orders;
      create publication them for table orders`);
    await using clone = await original.clone();
    await clone.query(`
      drop view notes;
      alter table orders alter column id type bigint;
      create view notes with (security_barrier) as select id, note from orders`);

    const planned = await plan({ connection: { url: original.url }, request: request(change) });
    const { warnings } = describePlan(planned);
    expect(warnings.find(({ code }) => code === 'event-trigger')?.message).toContain(
      'forced row level security; row level security; policy everybody; rule no_delete; trigger audit',
    );
    const { result } = await runChange(original, change);
    await finalize({ connection: { url: original.url } }, result.id ?? 0);

    const [actual, expected] = [await original.connect(), await clone.connect()];
    expect(await catalogSnapshot(actual, 'public')).toEqual(await catalogSnapshot(expected, 'public'));
  });

  test('is refused by the name of the event trigger when it cannot be taken off again', async () => {
    await using db = await createDatabase(base);
    const owner = await db.createRole();
    const other = await db.createRole();
    await db.query(`
      alter table orders owner to ${owner.name};
      grant create on database ${db.name} to ${owner.name};
      grant all on schema public to ${owner.name};
      create publication everything`);
    const cases = [
      {
        setup: atTables('gives it away', `alter table %1$s owner to ${other.name}`, { definer: true }),
        name: 'gives it away',
        says: `owner ${other.name} instead of ${owner.name}`,
      },
      {
        setup: atTables('publishes', 'alter publication everything add table %1$s', { definer: true }),
        name: 'publishes',
        says: 'membership in publication everything',
      },
      { setup: atTables('renames', 'alter table %1$s rename to another'), name: 'renames', says: 'renamed' },
      {
        setup: atTables('each time', 'alter table %1$s enable row level security', { tags: 'ALTER TABLE' }),
        name: 'each time',
        says: 'row level security',
      },
      {
        setup: atTables(
          'in public',
          `do $do$ begin if '%1$s' like 'public.%%' then alter table if exists %1$s enable row level security; end if; end $do$`,
          {
            tags: 'ALTER TABLE',
          },
        ),
        name: 'in public',
        says: 'row level security',
      },
    ];
    for (const { setup, name, says } of cases) {
      await db.query(setup);
      const { verdict, reasons } = await plan({ connection: { url: owner.url }, request: request(change) });
      expect({ name, verdict, codes: reasons.map(({ code }) => code) }).toEqual({
        name,
        verdict: 'refused',
        codes: ['event-trigger'],
      });
      expect(reasons[0]?.message).toContain(says);
      expect(reasons[0]?.message).toContain(
        `event trigger "${name}" (ddl_command_end, function public."${name} fn")`,
      );
      expect(reasons[0]?.hint).toContain(
        `alter event trigger ${name.includes(' ') ? `"${name}"` : name} disable`,
      );
      expect((await failure(runChange(db, change, { url: owner.url }))).code).toBe('event-trigger');
      expect(await leftovers(db)).toEqual([]);
      await db.query(`drop event trigger "${name}"`);
    }
  });
});

describe('what event triggers forbid', () => {
  test('is found by plan, by the name of the event trigger', async () => {
    await using db = await createDatabase(base);
    const tags = ['CREATE SCHEMA', 'CREATE TABLE', 'CREATE INDEX', 'CREATE FUNCTION', 'CREATE TRIGGER'];
    const drops = ['DROP TABLE', 'DROP SCHEMA', 'DROP FUNCTION', 'DROP TRIGGER', 'ALTER TABLE'];
    const cases: [string, string, string | null][] = [
      ...[...tags, ...drops].map((tag): [string, string, string] => [
        `no_${tag.toLowerCase().replace(' ', '_')}`,
        'ddl_command_start',
        tag,
      ]),
      ['no_drops', 'sql_drop', null],
      ['no_rewrites', 'table_rewrite', null],
    ];
    for (const [name, event, tag] of cases) {
      await db.query(forbidding(name, event, tag));
      const { verdict, reasons } = await plan({ connection: { url: db.url }, request: request(change) });
      expect({ name, verdict, codes: reasons.map(({ code }) => code) }).toEqual({
        name,
        verdict: 'refused',
        codes: ['event-trigger'],
      });
      expect(reasons[0]?.message).toContain(
        `event trigger "${name}" (${event}, function public.${name}_fn) says: not in this database`,
      );
      // Names of the trial's own schemas are not taken for the user's.
      expect(reasons[0]?.hint).toContain(
        major >= 17 ? 'event_triggers = off' : 'session_replication_role = replica',
      );
      await db.query(`drop event trigger ${name}`);
    }
    // What it does at the statement that locks a sequence would take back each try of the swap.
    await db.query(`
      create sequence drawn owned by orders.id; alter table orders alter id set default nextval('drawn');
      create function cached_fn() returns event_trigger language plpgsql as $body$
        declare r record;
        begin
          if current_setting('event.busy', true) = 'yes' then return; end if;
          perform set_config('event.busy', 'yes', true);
          for r in select object_identity from pg_event_trigger_ddl_commands() loop
            execute format('alter sequence %s cache 20', r.object_identity);
          end loop;
          perform set_config('event.busy', '', true);
        end $body$;
      create event trigger cached on ddl_command_end when tag in ('ALTER SEQUENCE') execute function cached_fn()`);
    const asked = { connection: { url: db.url }, request: request(change) };
    const { verdict, reasons } = await plan(asked);
    expect({ verdict, codes: reasons.map(({ code }) => code) }).toEqual({
      verdict: 'refused',
      codes: ['event-trigger'],
    });
    expect(reasons[0]?.message).toMatch(
      /sequence public\.drawn: cache: was 1, is 20; .*event trigger "cached"/,
    );
    // As it is in its end no statement changes anything.
    await db.query('alter sequence drawn cache 2');
    expect((await runChange(db, change)).result).toMatchObject({ native: false });
    await finalize({ connection: { url: db.url } }, 1);
    await db.query('drop schema ghost cascade');
    expect(await leftovers(db)).toEqual([]);
  });

  test('during a run is told by its name, and abort says what it needs', async () => {
    await using db = await createDatabase(base);
    const stopped = await failure(
      runChange(db, change, {
        onPoint: async (point) => {
          if (point === 'copied') await db.query(forbidding('no_index', 'ddl_command_start', 'CREATE INDEX'));
        },
      }),
    );
    expect(stopped.code).toBe('event-trigger');
    expect(stopped.message).toContain(
      'event trigger "no_index" (ddl_command_start, function public.no_index_fn)',
    );
    await db.query(`drop event trigger no_index; ${forbidding('no_drop', 'sql_drop', null)}`);
    const kept = await failure(abort({ connection: { url: db.url } }, 1));
    expect(kept.code).toBe('event-trigger');
    expect(kept.message).toContain('event trigger "no_drop" (sql_drop, function public.no_drop_fn)');
    await db.query(`drop event trigger no_drop`);
    await abort({ connection: { url: db.url } }, 1);
    expect(await leftovers(db)).toEqual([]);
  });

  test('added in the swap is taken back with it', async () => {
    await using db = await createDatabase(base);
    const found = await failure(
      runChange(db, change, {
        onPoint: async (point) => {
          if (point === 'settled')
            await db.query(
              atTables('late', 'alter table %1$s enable row level security', { tags: 'ALTER TABLE' }),
            );
        },
      }),
    );
    expect(found.code).toBe('event-trigger');
    expect(found.message).toMatch(/row level security.*event trigger "late"/s);
    const { rows } = await db.query(`select relrowsecurity from pg_class where oid = 'orders'::regclass`);
    expect(rows).toEqual([{ relrowsecurity: false }]);
    await db.query('drop event trigger late');
    const { result } = await runChange(db, change);
    expect(result.native).toBe(false);
  });
});

test('one that only keeps a log stands in no way, whatever hangs on the table', async () => {
  const setup = allAtOnce.setup.replaceAll(
    /create role (\w+);/g,
    (_, role) =>
      `do $$ begin create role ${String(role)}; exception when duplicate_object or unique_violation then null; end $$;`,
  );
  await using db = await createDatabase(carriedBase + setup);
  await db.query(`
    create table ddl_log (command text, what text);
    create function log_ddl() returns event_trigger language plpgsql as
      'begin insert into public.ddl_log select command_tag, object_identity from pg_event_trigger_ddl_commands(); end';
    create event trigger log_ddl on ddl_command_end execute function log_ddl()`);
  const { result } = await runChange(db, { table: 'orders', ...(allAtOnce.change ?? common) });
  expect(result.native).toBe(false);
  const { rows } = await db.query(
    `select count(*)::int as moved from ddl_log where command = 'ALTER TABLE' and what = 'public.orders'`,
  );
  expect(Number(rows[0]?.['moved'])).toBeGreaterThan(0);
});

test('abort says who has to give back what belongs to another role by now', async () => {
  await using db = await createDatabase(base);
  const owner = await db.createRole();
  const other = await db.createRole();
  await db.query(`
    alter table orders owner to ${owner.name};
    grant create on database ${db.name} to ${owner.name};
    grant all on schema public to ${owner.name}`);
  await stopAfterCopy({ url: owner.url }, change);
  await db.query(
    `alter table ghost_new_1.orders owner to ${other.name}; alter schema ghost_new_1 owner to ${other.name}`,
  );
  const kept = await failure(abort({ connection: { url: owner.url } }, 1));
  expect(kept.code).toBe('not-removed');
  expect(kept.hint).toContain(`alter schema ghost_new_1 owner to ${owner.name};`);
  // Who owns a schema may drop what is in it, whoever that belongs to.
  await db.query(`alter schema ghost_new_1 owner to ${owner.name}`);
  await abort({ connection: { url: owner.url } }, 1);
  expect(await leftovers(db)).toEqual([]);
});
