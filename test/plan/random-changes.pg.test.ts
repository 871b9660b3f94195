/** Random requests: what PostgreSQL refuses is refused, what is planned gives the rows that PostgreSQL makes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makePlan } from '../../src/plan/plan.js';
import { changeStatementsIn } from '../../src/plan/retarget-statement.js';
import { cloneStatements } from '../../src/shadow/clone-sql.js';
import { projectedColumns, projectionSql } from '../../src/sql/projection.js';
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

const name = fc.constantFrom('id', 'a', 'b', 'c', 'd', 'e', 'x', 'y');
const type = fc.constantFrom('int', 'bigint', 'text', 'numeric(10,2)', 'varchar(30)', 'timestamp', 'date');
const expression = fc
  .tuple(name, name, type)
  .chain(([n, m, as]) =>
    fc.constantFrom(
      `${n}::text::${as}`,
      `length(t.${n}::text)`,
      `concat(${n}, ${m})`,
      `coalesce(${n}::text, 'none')`,
      '7',
    ),
  );
const action = fc.oneof(
  fc.tuple(name, type).map(([n, as]) => `alter column ${n} type ${as}`),
  fc.tuple(name, type, expression).map(([n, as, value]) => `alter column ${n} type ${as} using ${value}`),
  fc.tuple(name, type).map(([n, as]) => `add column ${n} ${as}`),
  fc.tuple(name, expression).map(([n]) => `add column ${n} text default 'new' not null`),
  fc.tuple(name).map(([n]) => `add column ${n} timestamptz default '2020-01-01'`),
  name.map((n) => `drop column ${n}`),
  name.map((n) => `alter column ${n} set default null`),
  name.map((n) => `alter column ${n} drop not null`),
);
const statement = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(action, { minLength: 1, maxLength: 3 }).map((actions) => actions.join(', ')),
  },
  { weight: 2, arbitrary: fc.tuple(name, name).map(([from, to]) => `rename column ${from} to ${to}`) },
);

test('random changes', { timeout: 240_000 }, async () => {
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
      const plan = await makePlan(session, request, { buildClone: cloneStatements });
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
        // A value that does not fit: no catalog shows that, the rows do, and in the same way.
        await expect(insert).rejects.toMatchObject({ code: failure });
        return;
      }
      await insert;
      expect(await rowsOf(db, 'shadow')).toEqual(await rowsOf(db, 'native'));
      outcomes.copied++;
    }),
    { numRuns: 60, endOnFailure: true },
  );
  expect(
    Math.min(outcomes.copied, outcomes.rejected, outcomes.refused),
    JSON.stringify(outcomes),
  ).toBeGreaterThan(0);
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
