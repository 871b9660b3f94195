/**
 * `plan --rehearse`: the whole swap with an empty new table, under the real locks, and taken back. For staging: for its moment
 * it locks the table as the swap will.
 */
import { randomUUID } from 'node:crypto';
import { attachStatements, indexBuilds } from '../ddl/index-build-sql.js';
import { helperIndexBuilds } from '../ddl/helper-index-sql.js';
import { FailedError } from '../errors.js';
import { buildShadow } from '../shadow/build-shadow.js';
import { exchange } from './exchange.js';
import { forward, readiedStatements } from './forward.js';
import type { TableShape } from '../model/table-shape.js';
import { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import { isServerError } from '../db/sqlstate.js';
import { LockNotObtained } from '../locks/attempts.js';
import type { Rehearsal } from '../model/estimates.js';
import type { CopyPlan } from '../model/plan.js';
import { qualified } from '../sql/quote.js';
import {
  readMarkedMigrations,
  readOwnObjects,
  dropSchemaStatements,
  tablesIn,
} from '../state/own-objects.js';
import { schemasOf } from '../state/schema-sql.js';
import { limitsOf } from '../settings/lock-limits.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { defaultRunSettings } from '../settings/table.js';

/** No migration has this number. */
export const rehearsalId = 0;
/** Of a staging server. */
const longestHoldMs = 10_000;
/** Long enough for a busy staging server; nobody waits for a rehearsal all night. */
const deadlineMs = 60_000;

/** What came of it; an error of the server is a result, too: the swap would fail with it. */
export async function rehearsePlan(connection: ConnectionOptions, plan: CopyPlan): Promise<Rehearsal> {
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
    return await swapAndTakeBack(session, watcher, plan, target);
  } catch (error) {
    if (error instanceof LockNotObtained) {
      return { ok: false, holdMs: null, attempts: error.attempts, error: 'the lock did not come free' };
    }
    // What event triggers have added to the new table.
    if (!isServerError(error) && !(error instanceof FailedError)) throw error;
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

/** As a run has it before its swap, but for the rows. @returns what it is to be in the swap */
async function buildEmptyTable(session: Session, plan: CopyPlan): Promise<TableShape> {
  const schemas = schemasOf({ id: rehearsalId, no: 1 });
  // What an earlier rehearsal that was killed has left.
  await removeRehearsals(session);
  const owner = { id: rehearsalId, identity: randomUUID() };
  return await session.transaction(async () => {
    const target = await buildShadow(session, { plan, schemas, owner });
    const helper = { id: rehearsalId, schema: schemas.shadow, table: plan.table.name, key: plan.key };
    await session.batch([
      ...[...indexBuilds(target, schemas.shadow), ...helperIndexBuilds(helper)].map(
        ({ statement }) => statement,
      ),
      ...attachStatements(target, schemas.shadow),
    ]);
    return target;
  });
}

async function swapAndTakeBack(
  session: Session,
  watcher: Session,
  plan: CopyPlan,
  target: TableShape,
): Promise<Rehearsal> {
  const schemas = schemasOf({ id: rehearsalId, no: 1 });
  const tables = forward({
    plan,
    schemas,
    target,
    shadowOid: target.oid,
    readied: readiedStatements({ id: rehearsalId, plan, schemas, target }),
    statisticsHomes: new Map(),
    // Nothing captures, and nobody is told.
    capture: [],
  });
  const { holdMs, attempts } = await exchange([tables], {
    session,
    mark: 'select 1',
    look: watcher,
    watcher,
    // It is there to measure a hold that is longer than the default budget, too.
    limits: {
      ...limitsOf(defaultRunSettings),
      maxHoldMs: Math.max(defaultRunSettings.maxHoldMs, longestHoldMs),
      deadlineMs,
    },
    catchUp: () => Promise.resolve(),
    finish: () => Promise.resolve({ keys: 0, captureMs: 0 }),
    rehearse: true,
    emit: () => undefined,
  });
  return { ok: true, holdMs, attempts, error: null };
}
