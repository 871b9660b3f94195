/** Random requests: what PostgreSQL refuses is refused, what is planned gives the rows that PostgreSQL makes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makePlan } from '../../src/plan/plan.js';
import { changeStatementsIn } from '../../src/plan/change/retarget-statement.js';
import { buildClone } from '../../src/shadow/build-clone.js';
import { cloneStatements } from '../../src/ddl/clone-sql.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import { projectedColumns, projectionSql } from '../../src/sql/projection-sql.js';
import { identList } from '../../src/sql/quote.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { openSession, requestFor } from './trial-support.js';

const reset = `
  drop schema if exists native, shadow cascade;
  drop table if exists t;
  create table t (id int primary key, a int, b text, c numeric(12,4), d varchar(20), e timestamptz not null);
  insert into t
  select g, case when g % 5 = 0 then null else g * 7 end, g::text, g * 1.00375, (g * 3)::text,
    '2024-10-27 00:30 UTC'::timestamptz + g * interval '11 minutes'
  from generate_series(1, 30) as g;
  create schema native;
  create table native.t (like t including all);
  insert into native.t select * from t;`;

const existing = fc.constantFrom('id', 'a', 'b', 'c', 'd', 'e');
const fresh = fc.constantFrom('x', 'y', 'b');
/** Mostly one that is there; now and then one that is not, or is no longer. */
const name = fc.oneof({ weight: 8, arbitrary: existing }, { weight: 1, arbitrary: fresh });
/** Casts by assignment, most of them. */
const retype = fc.constantFrom(
  'id type bigint',
  'a type bigint',
  'a type numeric(6,1)',
  'a type text',
  'b type varchar(30)',
  'b type int',
  'c type int',
  'c type numeric(10,2)',
  'c type text',
  'd type text',
  'd type varchar(1)',
  'e type timestamp',
  'e type date',
  'e type text',
);
const text = fc
  .tuple(name, name)
  .chain(([n, m]) =>
    fc.constantFrom(
      `${n}::text`,
      `t.${n} || '!'`,
      `concat(${n}, ${m})`,
      `coalesce(${n}::text, ${m}::text)`,
      `'7'`,
    ),
  );
const action = fc.oneof(
  { weight: 4, arbitrary: retype.map((column) => `alter column ${column}`) },
  {
    weight: 4,
    arbitrary: fc.tuple(name, text).map(([n, value]) => `alter column ${n} type text using ${value}`),
  },
  { weight: 1, arbitrary: fresh.map((n) => `add column ${n} int`) },
  { weight: 1, arbitrary: fresh.map((n) => `add column ${n} text default 'new' not null`) },
  { weight: 1, arbitrary: name.map((n) => `drop column ${n}`) },
  { weight: 1, arbitrary: name.map((n) => `alter column ${n} set default null`) },
);
const statement = fc.oneof(
  { weight: 3, arbitrary: action },
  { weight: 1, arbitrary: fc.tuple(action, action).map((actions) => actions.join(', ')) },
  { weight: 1, arbitrary: fc.tuple(name, fresh).map(([from, to]) => `rename column ${from} to ${to}`) },
);

test('random changes', { timeout: 120_000 }, async () => {
  const outcomes = { copied: 0, rejected: 0, refused: 0 };
  await using db = await createDatabase(reset);
  await db.query(`alter database ${db.name} set timezone = 'Europe/Paris'`);
  await db.query(`set timezone = 'Europe/Paris'`);
  await using session = await openSession(db);
  await fc.assert(
    fc.asyncProperty(fc.array(statement, { minLength: 1, maxLength: 3 }), async (alter) => {
      await db.query(reset);
      const failure = await alterNatively(db, alter);
      const request = requestFor('t', { alter, rewrite: true });
      const plan = await makePlan(session, request, {
        buildClone,
        rebindClone: rebindStatements,
      });
      if (failure !== null && !/^2[23]/.test(failure)) {
        expect(plan.reasons, failure).toMatchObject([{ code: 'rejected-by-server' }]);
        outcomes.rejected++;
        return;
      }
      if (plan.verdict !== 'copy' || plan.source === null || plan.projection === null) {
        // Where the rows stopped PostgreSQL, it may not have come to a statement that it would reject.
        if (failure === null)
          expect(plan.reasons.map(({ code }) => code)).not.toContain('rejected-by-server');
        outcomes.refused++;
        return;
      }
      await session.batch(['create schema shadow', ...cloneStatements(plan.source, 'shadow')]);
      await session.batch(changeStatementsIn(request, 'shadow'));
      const insert = session.execute(
        `insert into shadow.t (${identList(projectedColumns(plan.projection))})
         ${projectionSql(plan.projection, { from: 'only public.t' })}`,
      );
      if (failure !== null) {
        // A value that does not fit: no catalog shows that, the rows do. What a column could not hold between two
        // statements, PostgreSQL minds; we do not when a later one drops the column or computes it anew.
        const code = await insert.then(
          () => null,
          (error: unknown) => (error as { code: string }).code,
        );
        if (alter.length === 1) expect(code, failure).toMatch(/^2[23]/);
        return;
      }
      await insert;
      expect(await rowsOf(db, 'shadow')).toEqual(await rowsOf(db, 'native'));
      outcomes.copied++;
    }),
    { numRuns: 60, endOnFailure: true },
  );
  // A generator that PostgreSQL always rejects would test nothing.
  expect(outcomes.copied, JSON.stringify(outcomes)).toBeGreaterThan(10);
});

/** @returns the SQLSTATE when it fails */
async function alterNatively(db: TestDatabase, alter: readonly string[]): Promise<string | null> {
  try {
    for (const each of alter) await db.query(`alter table native.t ${each}`);
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function rowsOf(db: TestDatabase, schema: string): Promise<unknown[]> {
  const { rows } = await db.query(`select to_json(t)::text as row from ${schema}.t as t order by 1`);
  return rows;
}
