/**
 * `plan --rehearse`: the whole swap with an empty new table, under the real locks, and taken back. For staging: for its moment
 * it locks the table as the swap will.
 */
import { randomUUID } from 'node:crypto';
import { attachDefinitions, detachStatements } from '../swap/dependents-sql.js';
import { swapStatements } from '../swap/exchange-sql.js';
import { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import { isServerError } from '../db/sqlstate.js';
import { LockNotObtained } from '../locks/attempts.js';
import { underLock } from '../locks/locked-transaction.js';
import type { CopyPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import type { Rehearsal } from '../model/estimates.js';
import { qualified } from '../sql/quote.js';
import { markOf, type MigrationIdentity } from '../sql/marks.js';
import {
  readMarkedMigrations,
  readOwnObjects,
  dropSchemaStatements,
  tablesIn,
} from '../state/own-objects.js';
import { createSchemaStatements, schemasOf } from '../state/schema-sql.js';
import { limitsOf } from './context.js';
import { locksOfSwap, lockSteps } from '../swap/lock-steps.js';
import { buildChangedClone } from '../shadow/changed-clone.js';
import type { CommonOptions } from './run-options.js';
import { defaultRunSettings } from '../settings/table.js';

/** No migration has this number. */
const rehearsalId = 0;
/** Of a staging server. */
const longestHoldMs = 10_000;
/** Long enough for a busy staging server; nobody waits for a rehearsal all night. */
const deadlineMs = 60_000;

class TakenBack extends Error {
  constructor(readonly holdMs: number) {
    super('taken back');
  }
}

/** What came of it; an error of the server is a result, too: the swap would fail with it. */
export async function rehearsePlan({ connection }: CommonOptions, plan: CopyPlan): Promise<Rehearsal> {
  const applicationName = 'pg-ghost rehearsal';
  await using session = await Session.open({
    own: true,
    connection,
    applicationName,
    settings: { ...plan.settings, ...ownSettings },
  });
  await using watcher = await Session.open({ own: true, connection, applicationName });
  try {
    const target = await buildEmptyTable(session, plan);
    return await swapAndTakeBack(session, watcher, { ...plan, target });
  } catch (error) {
    if (error instanceof LockNotObtained) {
      return { ok: false, holdMs: null, attempts: error.attempts, error: 'the lock did not come free' };
    }
    if (!isServerError(error)) throw error;
    return { ok: false, holdMs: null, attempts: 0, error: error.message };
  } finally {
    await removeRehearsals(session);
  }
}

/** By their marks: an empty table in a schema that says that it is for a rehearsal. */
async function removeRehearsals(session: Session): Promise<void> {
  await session.transaction(async () => {
    for (const marked of await readMarkedMigrations(session)) {
      if (marked.id !== rehearsalId) continue;
      const { schemas } = await readOwnObjects(session, marked);
      const tables = await tablesIn(
        session,
        schemas.filter(({ role }) => role === 'shadow'),
      );
      await session.batch([
        ...tables.map((table) => `drop table ${qualified(table)}`),
        ...dropSchemaStatements(schemas),
      ]);
    }
  });
}

async function buildEmptyTable(session: Session, plan: CopyPlan): Promise<TableShape> {
  const { shadow, old } = schemasOf(rehearsalId);
  // What an earlier rehearsal that was killed has left.
  await removeRehearsals(session);
  const rehearsal: MigrationIdentity = { id: rehearsalId, identity: randomUUID() };
  return await session.transaction(async () => {
    await session.batch([
      ...createSchemaStatements(shadow, markOf(rehearsal, 'shadow')),
      ...createSchemaStatements(old, markOf(rehearsal, 'old table')),
    ]);
    return await buildChangedClone(session, plan, shadow);
  });
}

async function swapAndTakeBack(session: Session, watcher: Session, plan: CopyPlan): Promise<Rehearsal> {
  const { shadow, old } = schemasOf(rehearsalId);
  const { definitions, table } = plan;
  const statements = swapStatements({
    table,
    shadowSchema: shadow,
    oldSchema: old,
    source: plan.source,
    target: plan.target,
    columns: plan.columns,
    serials: plan.serials,
    dropCapture: [],
    // The clone has all of its constraints.
    unvalidated: [],
    detach: detachStatements({ table, ...definitions }),
    attach: attachDefinitions({ table, target: definitions.target }),
    markSwapped: 'select 1',
  });
  let attempts = 0;
  try {
    await underLock({
      session,
      watcher,
      request: {
        what: 'the rehearsal of the swap',
        table: qualified(table),
        tableOid: plan.source.oid,
        mode: 'ACCESS EXCLUSIVE',
        ...(await lockSteps(watcher, locksOfSwap(plan))),
      },
      // It is there to measure a hold that is longer than the default budget, too.
      limits: {
        ...limitsOf({ settings: defaultRunSettings }),
        maxHoldMs: Math.max(defaultRunSettings.maxHoldMs, longestHoldMs),
        deadlineMs,
      },
      onTry: ({ attempt }) => (attempts = attempt),
      work: async () => {
        const started = performance.now();
        await session.batch(statements);
        throw new TakenBack(performance.now() - started);
      },
    });
    throw new Error('a rehearsal was committed');
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
    return { ok: true, holdMs: error.holdMs, attempts, error: null };
  }
}
