/** From everything that was read and tried to the plan: pure. */
import type { Definitions, TargetDefinitions } from '../model/definitions.js';
import type { Equality } from '../catalog/equality.js';
import type { ServerFacts } from '../catalog/server.js';
import type { TableSizes } from '../catalog/sizes.js';
import type { Dependent, TableShape } from '../model/table-shape.js';
import { putBackStatements, takeOffStatements, type TakenOff } from '../ddl/take-off-sql.js';
import type { Refusal } from '../errors.js';
import type { QualifiedName } from '../model/name.js';
import { fewNames } from '../sql/few-names.js';
import { serialFates } from '../ddl/serial-sequences.js';
import { carriedObjects } from './inventory/carried.js';
import type { Change, UserExpression } from './change/types.js';
import {
  judgeDependents,
  nativeDependents,
  untriedDependents,
  type JudgedDependent,
} from './checks/dependents.js';
import { checkInvalidIndexes } from './checks/invalid-indexes.js';
import { checkNameCollisions } from './checks/name-collisions.js';
import { withLateChecks } from './checks/late-checks.js';
import { checkStaleGenerated } from './checks/stale-generated.js';
import { checkSelfReferences } from './checks/self-references.js';
import { foreignKeyActions, needlessActions } from './change/foreign-key-actions.js';
import { estimateHoldMs } from './inventory/hold-estimate.js';
import { chooseKey } from './mapping/key.js';
import { lockSet, nativeLockSet } from './inventory/lock-set.js';
import { endsTheRun } from './follow.js';
import { mapColumns } from './mapping/mapping.js';
import { namedObjects } from './trial/definitions/taken-off.js';
import { toValidate } from './trial/definitions/to-validate.js';
import { retargetStatement } from './change/retarget-statement.js';
import { copyRollback, nativeRollback } from './inventory/rollback.js';
import { copyLocks, copySteps, nativeLocks, nativeSteps, stepsAfterSwap } from './inventory/steps.js';
import type { Trial } from './trial/types.js';
import type {
  Estimates,
  Obstacle,
  PinnedSettings,
  Plan,
  PlannedDependent,
  PlannedStep,
} from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import { decide, type Verdict } from './verdict.js';
import { warningsFor } from './inventory/warnings.js';

export interface Facts {
  readonly request: ChangeRequest;
  readonly change: Change;
  readonly server: ServerFacts;
  readonly table: QualifiedName;
  readonly settings: PinnedSettings;
  readonly refusals: readonly Refusal[];
  /** Budget of the hold. */
  readonly maxHoldMs: number;
  /** The key that a migration has already: kept where it still is one. */
  readonly keyColumns?: readonly string[];
  /** null when the relation is not one that we look into. */
  readonly seen: {
    readonly source: TableShape;
    readonly dependents: readonly Dependent[];
    readonly definitions: Definitions;
    readonly sizes: TableSizes;
    readonly obstacles: readonly Obstacle[];
  } | null;
  /** null when there was a refusal before or in the trial. */
  readonly tried: {
    readonly trial: Trial;
    readonly isRepeatable: (expression: UserExpression) => boolean;
    readonly isFixed: (expression: UserExpression) => boolean;
    /** Of the types of the new columns. */
    readonly equalities: readonly Equality[];
    readonly taken: readonly QualifiedName[];
    readonly baseTypes: ReadonlyMap<string, string>;
    /** Against making anew what hangs on the table; a native change does not. */
    readonly forCopy: readonly Refusal[];
    /** Against taking off what stands in the way of a native change. */
    readonly forAround: readonly Refusal[];
    /** Stored generated columns that hold something else than their expression gives. */
    readonly stale: readonly string[];
  } | null;
}

export function conclude(facts: Facts): Plan {
  const { seen, tried } = facts;
  const unknown = withoutTrial(facts);
  if (seen === null || tried === null) return unknown;
  const { change } = facts;
  const { source, dependents, definitions } = seen;
  const { trial } = tried;
  const target = trial.after;
  const decided = decideWithDependents(decide(change, trial), tried);
  const ofForeignKeys = foreignKeyActions(source, change.statements);
  if (decided.verdict === 'native' && ofForeignKeys.size > 0)
    return withoutTrial({ ...facts, refusals: [...facts.refusals, ...needlessActions(ofForeignKeys)] });
  const input = {
    table: facts.table.name,
    statements: change.statements,
    set: change.set,
    trial,
    isRepeatable: tried.isRepeatable,
  };
  const mapping = mapColumns(input);
  const { key, refusals: keyRefusals } = chooseKey({
    ...input,
    source,
    target,
    sources: mapping.sources,
    preferred: facts.keyColumns ?? null,
    isFixed: tried.isFixed,
    equalities: tried.equalities,
  });
  const isCopy = decided.verdict === 'copy';
  const serials = serialFates({
    source,
    before: trial.before,
    after: trial.changed,
    columns: mapping.columns,
  });
  const holdMs = isCopy ? estimateHoldMs(trial.definitions.target) : null;
  const judged = isCopy
    ? judgeDependents({
        request: facts.request,
        dependents,
        source,
        target,
        serials,
        before: definitions,
        after: trial.definitions.target,
        failed: trial.definitions.refusals,
        serverVersion: facts.server.version,
      })
    : [];
  const forCopy = isCopy
    ? [
        ...tried.forCopy,
        ...trial.forbidden,
        ...mapping.refusals,
        ...keyRefusals,
        ...checkInvalidIndexes(source),
        ...checkStaleGenerated(source, tried.stale, mapping.columns),
        ...checkSelfReferences(source, target, mapping.sources),
        ...judged.flatMap(({ refusal }) => (refusal === null ? [] : [refusal])),
        ...unlisted(trial.definitions.refusals, judged),
      ]
    : [];
  // Where neither way is open, what stands in the way of the native one is as good a reason as the other's.
  const both = forCopy.length > 0 ? [...decided.againstNative, ...forCopy] : [];
  const refusals = [
    ...checkNameCollisions(tried.taken),
    ...both.filter(({ message }, index) => both.findIndex((each) => each.message === message) === index),
  ];
  const native = isCopy ? null : trial.native;
  const around = native?.around ?? null;
  const locks = isCopy
    ? lockSet({ oid: source.oid, name: source.name }, withDropped(trial.definitions.target, definitions))
    : nativeLockSet(source, native);
  const refused = refusals.length > 0;
  return {
    ...unknown,
    verdict: refused ? 'refused' : decided.verdict,
    reasons: refused ? refusals : decided.reasons,
    columns: mapping.columns,
    key,
    projection: mapping.projection,
    target: isCopy ? withLateChecks(target, trial.lateChecks) : target,
    lateChecks: isCopy ? trial.lateChecks : [],
    checkedForeignKeys: isCopy ? trial.checkedForeignKeys : [],
    ...(isCopy && key !== null
      ? {
          steps: copySteps(
            facts.table,
            target.indexes.map(({ name }) => name),
            key,
            afterSwap(trial.definitions.target),
          ),
          definitions: { source: definitions, target: trial.definitions.target },
          lockSet: locks,
          serials,
          locks: copyLocks(facts.table, source.sequences, {
            lockSet: locks,
            validated: toValidate(trial.definitions.target),
            holdMs,
          }),
          rollback: copyRollback(facts.table),
          endsTheRun: endsTheRun(key),
        }
      : {}),
    ...(isCopy
      ? {}
      : {
          nativeStatements:
            around === null
              ? unknown.nativeStatements
              : [
                  ...takeOffStatements(facts.table, around),
                  ...unknown.nativeStatements,
                  ...putBackStatements(facts.table, around),
                ],
          ...(around === null ? {} : { definitions: around }),
          lockSet: locks,
          steps: nativeSteps(unknown.nativeStatements, around === null ? [] : namesOf(around)),
          locks: nativeLocks(facts.table, change.statements, locks),
          rollback: nativeRollback(facts.table),
        }),
    dependents: [
      ...(isCopy ? carriedObjects(source, target, serials) : []),
      ...(isCopy ? judged.map(withoutRefusal) : nativeDependents(dependents, native)),
    ],
    warnings: warningsFor({
      verdict: decided.verdict,
      change,
      source,
      target,
      columns: mapping.columns,
      key,
      dependents,
      native,
      definitions: isCopy ? trial.definitions.target : null,
      lateChecks: isCopy ? trial.lateChecks : [],
      allowedPublications: facts.request.allowPublicationAll === true,
      server: facts.server,
      rows: seen.sizes.rows,
      holdMs,
      maxHoldMs: facts.maxHoldMs,
      baseTypes: tried.baseTypes,
      takenOff: trial.takenOff,
    }),
    estimates: estimatesOf(seen.sizes, decided.verdict, holdMs),
  };
}

/** A foreign key that goes is taken off the old table all the same, which locks the table that it references. */
function withDropped(target: TargetDefinitions, { foreignKeysOut }: Definitions): TargetDefinitions {
  const kept = new Set(target.foreignKeysOut.map(({ oid }) => oid));
  return {
    ...target,
    foreignKeysOut: [...target.foreignKeysOut, ...foreignKeysOut.filter(({ oid }) => !kept.has(oid))],
  };
}

interface Decided extends Verdict {
  /** Why PostgreSQL does not make a change in place that needs no copy by itself. */
  readonly againstNative: readonly Refusal[];
}

/** A change that only the catalog would see, but for what hangs on the table. */
function decideWithDependents(
  decided: Verdict,
  { trial: { native }, forAround }: NonNullable<Facts['tried']>,
): Decided {
  const none = { ...decided, againstNative: [] };
  if (decided.verdict !== 'native' || native === null || native.refused === null) return none;
  const { refused, around } = native;
  if (around !== null && forAround.length === 0) {
    const names = namesOf(around);
    const others: Refusal = {
      code: 'recreates-around',
      message: `PostgreSQL does not change the type while it is used by ${fewNames(names)}: taken off before the change and put back after it, in the same transaction`,
    };
    return { ...none, reasons: [...decided.reasons, others] };
  }
  const against = [refused, ...forAround];
  return {
    verdict: 'copy',
    reasons: against.map(({ message }) => ({ code: 'native-not-possible', message })),
    againstNative: against,
  };
}

function namesOf({ source }: TakenOff): string[] {
  return namedObjects(source).map(({ name }) => name);
}

/** What the trial said of objects that are not in the inventory by themselves. */
function unlisted(
  failed: readonly (Refusal & { oid: number })[],
  judged: readonly JudgedDependent[],
): Refusal[] {
  const said = new Set(judged.map(({ refusal }) => refusal));
  return failed.filter((refusal) => !said.has(refusal));
}

function afterSwap(target: TargetDefinitions): Omit<PlannedStep, 'phase'>[] {
  const views = target.views.filter(({ materialized, populated }) => materialized && populated);
  return stepsAfterSwap(
    toValidate(target),
    views.map(({ name }) => name),
  );
}

function withoutRefusal({ refusal: _, ...dependent }: JudgedDependent): PlannedDependent {
  return dependent;
}

/** What can be said when nothing could be tried. */
function withoutTrial({ request, change, server, table, settings, refusals, seen }: Facts): Plan {
  return {
    table,
    request,
    verdict: 'refused',
    reasons: refusals,
    nativeStatements:
      refusals.length > 0
        ? []
        : change.statements.map((statement) => retargetStatement(statement, table.schema)),
    columns: [],
    key: null,
    projection: null,
    source: seen?.source ?? null,
    target: null,
    lateChecks: [],
    steps: [],
    locks: [],
    definitions: null,
    lockSet: [],
    serials: [],
    dependents: untriedDependents(seen?.dependents ?? []),
    obstacles: seen?.obstacles ?? [],
    warnings: [],
    estimates: seen === null ? null : estimatesOf(seen.sizes, 'copy'),
    rollback: [],
    endsTheRun: [],
    settings,
    server: { version: server.version, inRecovery: server.inRecovery },
  };
}

/** The new table is about as large as the old one: less without bloat, more with wider types. */
function estimatesOf(sizes: TableSizes, verdict: 'native' | 'copy', holdMs: number | null = null): Estimates {
  const { rows, heapBytes, indexBytes, toastBytes } = sizes;
  return {
    rows,
    tableBytes: heapBytes,
    indexBytes,
    toastBytes,
    diskNeededBytes: verdict === 'copy' ? heapBytes + indexBytes + toastBytes : 0,
    holdMs,
  };
}
