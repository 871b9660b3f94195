/** Assembles the plan: reads, tries, decides. Changes nothing, and needs no more rights than the change itself. */
import type { Definitions, TargetDefinitions } from '../model/definitions.js';
import { readObstacles } from '../catalog/activity.js';
import { readBaseTypes } from '../catalog/base-types.js';
import { readEqualities } from '../catalog/equality.js';
import { readDefinitions } from '../catalog/read-definitions.js';
import { readDependents } from '../catalog/dependents.js';
import { readLacking, type CreatedObject } from '../catalog/privileges.js';
import { findStaleGenerated } from './checks/stale-generated.js';
import { findStoredOids } from './checks/stored-oids.js';
import { missingRowRights } from '../catalog/row-rights.js';
import { readPinnedSettings, readServer } from '../catalog/server.js';
import { readTableShape } from '../catalog/shape.js';
import { readSizes } from '../catalog/sizes.js';
import { findTable, type FoundTable } from '../catalog/table.js';
import type { Session } from '../db/session.js';
import { RefusedError, type Refusal } from '../errors.js';
import { defaultMaxHoldMs } from '../locks/lock-request.js';
import { readChange } from './change/change.js';
import type { Change } from './change/types.js';
import { arrivingNames, takenNames } from './checks/name-collisions.js';
import { checkLeftovers } from './checks/leftovers.js';
import { checkPrivileges } from './checks/privileges.js';
import { checkRelationKind } from './checks/relation-kind.js';
import { checkRelations, resolveRelations } from './checks/relations.js';
import { checkRowTypeParts } from './checks/row-type-parts.js';
import { checkServer } from './checks/server.js';
import { conclude, type Facts } from './conclude.js';
import { tryWayBack } from './inverse/try-way-back.js';
import { tryChange, type CloneBuilder, type CloneRebinder, type ObjectRehearsal } from './trial/trial.js';
import type { Plan } from '../model/plan.js';
import { withValidIndexes } from '../model/table-shape.js';
import type { ChangeRequest } from '../model/change-request.js';
import { fixednessOf, repeatabilityOf } from './mapping/volatility.js';

export interface PlanDependencies {
  /** How an empty table of a shape is built; `plan` knows nothing of the shadow. */
  readonly buildClone: CloneBuilder;
  readonly rebindClone: CloneRebinder;
  /** Of what a run makes besides. */
  readonly rehearse?: ObjectRehearsal;
  /** What others have against it (the table is being migrated already). */
  readonly refusals?: readonly Refusal[];
  /** The budget of the hold that the swap will have; unless given, the default. */
  readonly maxHoldMs?: number;
  /** Of a migration that is under way: no other key will do for it. */
  readonly keyColumns?: readonly string[];
}

/** Younger transactions are the application's daily work. */
const oldTransactionSeconds = 60;

/**
 * A refusal is a verdict here, with all reasons at once, and not an error.
 *
 * @throws UsageError the request is wrong by itself
 * @throws RefusedError `no-such-table`: there is nothing that a plan could be about
 */
export async function makePlan(
  session: Session,
  request: ChangeRequest,
  deps: PlanDependencies,
): Promise<Plan> {
  const change = readChange(request);
  const server = await readServer(session);
  const table = await findTable(session, request.table);
  if (table === null) {
    throw new RefusedError([
      {
        code: 'no-such-table',
        message: `there is no table ${request.table}`,
        hint: 'give it as SCHEMA.NAME, with double quotes as in SQL where the name has capitals or spaces',
      },
    ]);
  }
  const facts: Facts = {
    request,
    change,
    server,
    table: { schema: table.schema, name: table.name },
    settings: await readPinnedSettings(session),
    refusals: [
      ...(deps.refusals ?? []),
      ...checkServer(server),
      ...checkRelationKind(table),
      ...change.refusals,
    ],
    maxHoldMs: deps.maxHoldMs ?? defaultMaxHoldMs,
    ...(deps.keyColumns === undefined ? {} : { keyColumns: deps.keyColumns }),
    seen: null,
    tried: null,
  };
  const isTable = checkRelationKind(table).length === 0 && checkServer(server).length === 0;
  const found = isTable ? await lookAndTry(session, facts, table, deps) : facts;
  const plan = conclude(found);
  // A run that is under way has tried it.
  return found.seen === null || deps.keyColumns !== undefined
    ? plan
    : await tryWayBack(session, plan, found.seen.sizes.blocks);
}

async function lookAndTry(
  session: Session,
  facts: Facts,
  table: FoundTable,
  deps: PlanDependencies,
): Promise<Facts> {
  const { change, server } = facts;
  const found = await readTableShape(session, table.oid);
  // An index that somebody's REINDEX CONCURRENTLY left behind is no reason to end a run that is under way.
  const source = deps.keyColumns === undefined ? found : withValidIndexes(found);
  const seen = {
    source,
    dependents: await readDependents(session, table.oid),
    definitions: await readDefinitions(session, table.oid),
    sizes: await readSizes(session, table.oid),
    obstacles: await readObstacles(session, table.oid, { olderThanSeconds: oldTransactionSeconds }),
  };
  const lacking = await readLacking(session, { shape: source, definitions: null, created: [] });
  const others = [
    ...facts.refusals,
    ...(await checkLeftovers(session, table)),
    ...checkRowTypeParts(seen.definitions),
    // Without USAGE on their schemas names cannot be looked up.
    ...(lacking.own.length > 0
      ? []
      : checkRelations(source, change.statements, await resolveRelations(session, change.statements))),
  ];
  // A trial of a part of the request would only say what the refusals say already.
  if (others.length + lacking.own.length > 0) {
    // Whoever has to ask for privileges wants to ask once: those for what hangs on the table too, whatever becomes of it.
    const { definitions } = seen;
    const created = createdObjects({
      views: definitions.views.map((view) => ({ ...view, how: 'recreate' })),
      functions: definitions.functions,
      rowTypeFunctions: [],
    });
    const all =
      lacking.own.length === 0
        ? lacking
        : await readLacking(session, { shape: source, definitions, created });
    return { ...facts, seen, refusals: [...others, ...checkPrivileges(server.role, all)] };
  }
  return await tried(session, { ...facts, seen }, change, deps);
}

async function tried(
  session: Session,
  facts: Facts & { seen: NonNullable<Facts['seen']> },
  change: Change,
  { buildClone, rebindClone, rehearse }: PlanDependencies,
): Promise<Facts> {
  const { source, definitions, dependents } = facts.seen;
  try {
    const trial = await tryChange(session, source, change, {
      buildClone,
      rebindClone,
      definitions,
      dependents,
      role: facts.server.role,
      ...(rehearse === undefined ? {} : { rehearse }),
    });
    // Only a copy makes all of them anew; a native change leaves alone what does not stand in its way.
    const toMake = await privilegesFor(session, facts, {
      source: { ...definitions, foreignKeysOut: trial.definitions.target.foreignKeysOut },
      target: trial.definitions.target,
    });
    // Said once the rest is there: membership in the owner gives most of these.
    const forCopy =
      toMake.length > 0 ? toMake : await rowPrivileges(session, facts, trial.definitions.target);
    const around = trial.native?.around ?? null;
    const forAround = around === null ? [] : await privilegesFor(session, facts, around);
    const isRepeatable = await repeatabilityOf(session, change);
    const isFixed = await fixednessOf(session, change);
    const equalities = await readEqualities(
      session,
      trial.after.columns.map(({ typeOid }) => typeOid),
    );
    const taken = await takenNames(session, source, arrivingNames(trial.after));
    const baseTypes = await readBaseTypes(session, [
      ...trial.after.columns.map(({ type }) => type),
      ...definitions.foreignKeysIn.flatMap(({ columnTypes }) => columnTypes),
    ]);
    const { blocks } = facts.seen.sizes;
    const stale = await findStaleGenerated(session, source, blocks);
    const storedOids = await findStoredOids(session, source, blocks);
    return {
      ...facts,
      tried: {
        trial,
        isRepeatable,
        isFixed,
        equalities,
        taken,
        baseTypes,
        forCopy,
        forAround,
        stale,
        storedOids,
      },
    };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { ...facts, refusals: [...facts.refusals, ...error.reasons] };
  }
}

/** Whoever makes objects anew needs the rights to these, and to nothing else. */
async function privilegesFor(
  session: Session,
  { seen, server }: Facts & { seen: NonNullable<Facts['seen']> },
  { source, target }: { readonly source: Definitions; readonly target: TargetDefinitions },
): Promise<Refusal[]> {
  const needs = { shape: seen.source, definitions: source, created: createdObjects(target) };
  return checkPrivileges(server.role, await readLacking(session, needs));
}

async function rowPrivileges(
  session: Session,
  { seen, server }: Facts & { seen: NonNullable<Facts['seen']> },
  { foreignKeysOut }: TargetDefinitions,
): Promise<Refusal[]> {
  const statements = await missingRowRights(session, seen.source.oid, foreignKeysOut);
  return checkPrivileges(server.role, {
    own: statements.map((statement) => ({ statement, instead: null })),
    owner: null,
  });
}

/** A view that is made anew is given to its owner, who needs CREATE as well. */
function createdObjects({
  views,
  functions,
  rowTypeFunctions,
}: Pick<TargetDefinitions, 'views' | 'functions' | 'rowTypeFunctions'>): CreatedObject[] {
  return [
    ...views.map(({ name, owner, how }) => ({
      schema: name.schema,
      owner: how === 'recreate' ? owner : null,
    })),
    ...rowTypeFunctions.map(({ name, owner }) => ({ schema: name.schema, owner })),
    ...functions.map(({ name }) => ({ schema: name.schema, owner: null })),
  ];
}
