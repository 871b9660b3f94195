/** What may happen to the objects around the table, who may migrate it, and what is left to do after a swap. */
import { inWords } from '../../src/advice.js';
import { describe, expect, inject, test } from 'vitest';
import { finalize, plan } from '../../src/index.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { completeChange, failure, request, runChange } from '../support/migration.js';

const major = inject('serverMajor');
const setup = `
  create schema app;
  create table parent (id integer primary key);
  create table t (id integer primary key, parent_id integer constraint to_parent references parent, v text);
  create table child (t_id integer constraint to_t references t);
  create view v1 as select v from t;
  create view app.v2 as select v from v1;
  create function f() returns bigint language sql return (select count(*) from public.t);
  insert into parent values (1);
  insert into t select i, 1, 'v' || i from generate_series(1, 1000) as i;
  insert into child values (1), (2);`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

describe('what follows the swap', () => {
  test('rows that violate a foreign key which was valid: swapped, said, and done when they are right', async () => {
    await using db = await createDatabase(`${setup}
      set session_replication_role = replica; insert into child values (99999); reset session_replication_role;`);
    const error = await failure(runChange(db, change));
    expect(error).toMatchObject({
      code: 'foreign-key-violated',
      exitCode: 1,
      message: expect.stringMatching(/to_t of public\.child/) as string,
    });
    const valid = async (): Promise<unknown> =>
      (
        await db.query(
          `select conname as name, convalidated as valid from pg_constraint where contype = 'f' and conrelid in ('t'::regclass, 'child'::regclass) order by 1`,
        )
      ).rows;
    expect(await valid()).toEqual([
      { name: 'to_parent', valid: true },
      { name: 'to_t', valid: false },
    ]);
    await expect(db.query('insert into child values (88888)')).rejects.toMatchObject({ code: '23503' });
    expect(await failure(finalize({ connection: { url: db.url } }, 1))).toMatchObject({
      code: 'foreign-key-violated',
    });

    await db.query('delete from child where t_id = 99999');
    await runChange(db, change);
    expect(await valid()).toEqual([
      { name: 'to_parent', valid: true },
      { name: 'to_t', valid: true },
    ]);
    await finalize({ connection: { url: db.url } }, 1);
  });

  test('the run that ends right behind the swap: the same command validates and refreshes', async () => {
    await using db = await createDatabase(
      `${setup} create materialized view m as select id from t; create unique index on m (id);`,
    );
    const stop = new AbortController();
    const withMatview = { ...change, matviews: 'recreate' as const };
    await failure(
      runChange(db, withMatview, {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.event === 'cutover:done') stop.abort();
        },
      }),
    );
    expect((await db.query(`select relispopulated as full from pg_class where relname = 'm'`)).rows).toEqual([
      { full: false },
    ]);
    await runChange(db, withMatview);
    expect((await db.query(`select count(*)::int as n from m`)).rows).toEqual([{ n: 1000 }]);
    expect(
      (
        await db.query(
          `select count(*)::int as n from pg_constraint where contype = 'f' and not convalidated`,
        )
      ).rows,
    ).toEqual([{ n: 0 }]);
  });

  test('a writer in the referencing table does not keep it from being validated for good', async () => {
    await using db = await createDatabase(setup);
    const other = await db.connect();
    let held: Promise<unknown> | undefined;
    await runChange(db, change, {
      onEvent: (event) => {
        if (event.event === 'cutover:done') held = other.query('begin; lock table child in share mode');
        if (event.event === 'lock:missed') void other.query('commit');
      },
    });
    await held;
    expect(
      (
        await db.query(
          `select count(*)::int as n from pg_constraint where contype = 'f' and not convalidated`,
        )
      ).rows,
    ).toEqual([{ n: 0 }]);
  });
});

describe('who may', () => {
  test('an owner without superuser carries everything of its own', async () => {
    await using db = await createDatabase();
    const owner = await db.createRole();
    await db.query(
      `grant create on database ${db.name} to ${owner.name}; grant all on schema public to ${owner.name}`,
    );
    const client = await db.connect(owner.url);
    await client.query(`${setup}
      alter table t enable row level security;
      create policy p on t using (v <> '');
      create publication pub for table t;
      create statistics s on parent_id, v from t;
      create function note() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger tr before insert on t for each row execute function note();
      create view keyed as select id from t;
      grant select on keyed to public;`);
    const admin = await db.connect();
    const before = await catalogSnapshot(admin, 'public');
    await completeChange(db, { table: 't', rewrite: true }, { url: owner.url });
    expect(await catalogSnapshot(admin, 'public')).toEqual(before);
    await completeChange(db, change, { url: owner.url });
    expect((await client.query('select count(*)::int as n from keyed')).rows).toEqual([{ n: 1000 }]);
  });

  test('a native change needs no right to what hangs on the table, and is made', async () => {
    await using db = await createDatabase(setup);
    const owner = await db.createRole();
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant all on schema public to ${owner.name};
      alter table t owner to ${owner.name};`);
    const { result } = await runChange(
      db,
      { table: 't', alter: ['ADD COLUMN later int'] },
      { url: owner.url },
    );
    expect(result.native).toBe(true);
    expect((await db.query('select later from t where id = 1')).rows).toEqual([{ later: null }]);
  });

  test('a native change by who owns a view, but may not create in its schema', async () => {
    await using db = await createDatabase(setup);
    const owner = await db.createRole();
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant all on schema public to ${owner.name};
      alter table t owner to ${owner.name}; alter table child owner to ${owner.name}; alter table parent owner to ${owner.name};
      alter view v1 owner to ${owner.name}; alter function f() owner to ${owner.name}; alter view app.v2 owner to ${owner.name};`);
    await runChange(db, { table: 't', alter: ['ADD COLUMN later int'] }, { url: owner.url });
    expect((await db.query('select later from t where id = 1')).rows).toEqual([{ later: null }]);
  });

  test('a view that is replaced or made again needs CREATE on its schema', async () => {
    await using db = await createDatabase(setup);
    const owner = await db.createRole();
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant all on schema public to ${owner.name}; grant usage on schema app to ${owner.name};
      create view app.keyed as select id from t;
      alter table t owner to ${owner.name}; alter table child owner to ${owner.name}; alter table parent owner to ${owner.name};
      alter view v1 owner to ${owner.name}; alter view app.v2 owner to ${owner.name}; alter view app.keyed owner to ${owner.name};
      alter function f() owner to ${owner.name};`);
    const error = await failure(runChange(db, change, { url: owner.url }));
    expect(error).toMatchObject({
      exitCode: 3,
      hint: expect.stringContaining(`grant create on schema app to ${owner.name};`) as string,
    });
    expect(await failure(runChange(db, { table: 't', rewrite: true }, { url: owner.url }))).toMatchObject({
      exitCode: 3,
    });
    await db.query(`grant create on schema app to ${owner.name}`);
    await completeChange(db, change, { url: owner.url });
  });

  test('the owner of the table only is told what is missing, as GRANT statements', async () => {
    await using db = await createDatabase(setup);
    const [owner, other] = [await db.createRole(), await db.createRole()];
    await db.query(`
      grant create on database ${db.name} to ${owner.name}; grant all on schema public, app to ${owner.name}, ${other.name};
      alter table t owner to ${owner.name}; alter view app.v2 owner to ${other.name}; alter table child owner to ${other.name};
      alter view v1 owner to ${owner.name}; alter function f() owner to ${owner.name};
      alter table t enable row level security, force row level security;`);
    const refused = await plan({ connection: { url: owner.url }, request: request(change) });
    expect(refused.verdict).toBe('refused');
    const hints = refused.reasons.map(({ hint }) => inWords(hint ?? '')).join('\n');
    expect(hints).toContain(`grant ${other.name} to ${owner.name}`);
    expect(hints).toContain(`grant references on public.parent to ${owner.name}`);
    expect(hints).toContain(`alter role ${owner.name} bypassrls`);
    // The least that is enough; other ways come after it.
    const statements = (hints.split('or, which gives more')[0] ?? '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.endsWith(';'));
    for (const statement of statements) await db.query(statement);
    await completeChange(db, change, { url: owner.url });
    await db.query(`alter view app.v2 owner to current_user; alter table child owner to current_user`);
  });
});

describe('publications', () => {
  test('of all tables, when allowed: the shadow is filled and swapped all the same', async () => {
    await using db = await createDatabase(`${setup} create publication everything for all tables;`);
    const writer = await db.connect();
    const stop = new AbortController();
    const writing = (async () => {
      for (let i = 0; !stop.signal.aborted; i += 1) {
        await writer.query(`update t set v = 'w${i}' where id = ${3 + (i % 900)}`);
        await writer.query(
          `insert into t values (${5000 + i}, 1, 'new'); delete from t where id = ${5000 + i}`,
        );
      }
    })();
    try {
      const refused = await plan({ connection: { url: db.url }, request: request(change) });
      expect(refused.verdict).toBe('refused');
      const { result } = await completeChange(db, { ...change, allowPublicationAll: true });
      expect(result.plan.warnings.map(({ code }) => code)).toContain('publication-all');
    } finally {
      stop.abort();
      await writing;
    }
    expect((await db.query(`select relreplident as r from pg_class where oid = 't'::regclass`)).rows).toEqual(
      [{ r: 'd' }],
    );
    expect((await db.query('select count(*)::int as n from t')).rows).toEqual([{ n: 1000 }]);
  });

  // Before 15 there is no such publication.
  if (major < 15) return;
  test('of the schema, when allowed', async () => {
    await using db = await createDatabase(
      `${setup} create publication of_schema for tables in schema public;`,
    );
    await completeChange(db, { ...change, allowPublicationAll: true });
    expect(
      (await db.query(`select tablename::text as name from pg_publication_tables where tablename = 't'`))
        .rows,
    ).toHaveLength(1);
  });
});
