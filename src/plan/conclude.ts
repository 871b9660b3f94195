/** From everything that was read and tried to the plan: pure. */
import type { Definitions, TakenOff, TargetDefinitions } from '../model/definitions.js';
import type { Equality } from '../catalog/equality.js';
import type { ServerFacts } from '../catalog/server.js';
import type { TableSizes } from '../catalog/sizes.js';
import type { Blocker } from '../model/blocker.js';
import type { ChangeRequest } from '../model/change-request.js';
import type { SerialFate } from '../model/column-mapping.js';
import type { Dependent } from '../model/dependent.js';
import type { Estimates } from '../model/estimates.js';
import type { Key } from '../model/key.js';
import { defaultCaptureMode } from '../model/capture-mode.js';
import type { CopyFacts, NativeFacts, PinnedSettings, Plan, RefusedPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { putBackStatements, takeOffStatements } from '../ddl/take-off-sql.js';
import type { Refusal } from '../errors.js';
import type { QualifiedName } from '../model/name.js';
import { namedObjects } from '../sql/definition-names.js';
import { fewNames } from '../sql/few-names.js';
import { wayBack, type PlannedBack } from './inverse/way-back.js';
import { narrowerRules } from './inverse/narrower.js';
import { serialFates } from '../ddl/serial-sequences.js';
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
import { checkStoredOids } from './checks/stored-oids.js';
import { checkSelfReferences } from './checks/self-references.js';
import { foreignKeyActions, needlessActions } from './change/foreign-key-actions.js';
import { estimateHoldMs } from './inventory/hold-estimate.js';
import { strongestLock } from './inventory/native-locks.js';
import { chooseKey } from './mapping/key.js';
import { lockSet, nativeLockSet } from './inventory/lock-set.js';
import { mapColumns, type Mapping } from './mapping/mapping.js';
import { retargetStatement } from './change/retarget-statement.js';
import type { Trial } from './trial/types.js';
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
  readonly seen: Seen | null;
  /** null when there was a refusal before or in the trial. */
  readonly tried: Tried | null;
}

interface Seen {
  readonly source: TableShape;
  readonly dependents: readonly Dependent[];
  readonly definitions: Definitions;
  readonly sizes: TableSizes;
  readonly obstacles: readonly Blocker[];
}

interface Tried {
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
  /** Columns that hold OIDs of the table, as far as that was looked at. */
  readonly storedOids: readonly string[];
}

export function conclude(facts: Facts): Plan {
  const { seen, tried, change } = facts;
  if (seen === null || tried === null) return untried(facts);
  const { source, dependents } = seen;
  const { trial } = tried;
  const decided = decideWithDependents(decide(change, trial), tried);
  const ofForeignKeys = foreignKeyActions(source, change.statements);
  if (decided.verdict === 'native' && ofForeignKeys.size > 0)
    return untried({ ...facts, refusals: [...facts.refusals, ...needlessActions(ofForeignKeys)] });
  const rows = howRowsGo(facts, source, tried);
  const isCopy = decided.verdict === 'copy';
  const serials = serialFates({
    source,
    before: trial.before,
    after: trial.changed,
    columns: rows.mapping.columns,
  });
  const judged = isCopy ? judgeCopied(facts, seen, trial, serials) : [];
  const back = planBack(facts, seen, tried, rows);
  const forCopy = isCopy ? [...againstCopy(seen, tried, rows, judged), ...back.refusals] : [];
  // Where neither way is open, what stands in the way of the native one is as good a reason as the other's.
  const both = forCopy.length > 0 ? [...decided.againstNative, ...forCopy] : [];
  const needless = isCopy ? [] : change.reverse.map(needlessReverse);
  const refusals = [...checkNameCollisions(tried.taken), ...eachOnce(both), ...needless];
  const holdMs = isCopy ? estimateHoldMs(trial.definitions.target) : null;
  const any = {
    ...known(facts),
    dependents: isCopy ? judged.map(({ planned }) => planned) : nativeDependents(dependents, trial.native),
    warnings: warningsFor({
      back: isCopy ? back.back : null,
      verdict: decided.verdict,
      change,
      source,
      target: trial.after,
      columns: rows.mapping.columns,
      key: rows.key,
      dependents,
      native: isCopy ? null : trial.native,
      definitions: isCopy ? trial.definitions.target : null,
      lateChecks: isCopy ? trial.lateChecks : [],
      allowedPublications: facts.request.allowPublicationAll === true,
      server: facts.server,
      rows: seen.sizes.rows,
      holdMs,
      maxHoldMs: facts.maxHoldMs,
      baseTypes: tried.baseTypes,
      takenOff: trial.takenOff,
      storedOids: tried.storedOids,
    }),
    estimates: estimatesOf(seen.sizes, decided.verdict, holdMs),
  };
  const copied = isCopy ? { ...copyFacts(seen, trial, rows, serials), back: back.back } : null;
  const found = copied ?? nativeFacts(facts, source, trial, rows);
  if (refusals.length > 0) return { ...any, verdict: 'refused', reasons: refusals, source, found };
  const { reasons } = decided;
  if (found.how === 'native') return { ...any, ...found, verdict: 'native', reasons };
  const { key } = found;
  if (key === null) throw new Error('a copy that nothing is said against has a key');
  return { ...any, ...found, key, verdict: 'copy', reasons };
}

interface HowRowsGo {
  readonly mapping: Mapping;
  readonly key: Key | null;
  readonly refusals: readonly Refusal[];
}

/** What the new table's columns are made of, and by which key a row is found in both tables. */
function howRowsGo(
  { table, change, keyColumns }: Facts,
  source: TableShape,
  { trial, isRepeatable, isFixed, equalities }: Tried,
): HowRowsGo {
  const { statements, set } = change;
  const input = { table: table.name, statements, set, trial, isRepeatable };
  const mapping = mapColumns(input);
  const { key, refusals } = chooseKey({
    ...input,
    source,
    target: trial.after,
    sources: mapping.sources,
    preferred: keyColumns ?? null,
    isFixed,
    equalities,
  });
  return { mapping, key, refusals };
}

function needlessReverse({ column }: Change['reverse'][number]): Refusal {
  return {
    code: 'needless-reverse',
    message: `--reverse ${column}: PostgreSQL makes this change itself, and there is no old table to go back to`,
    hint: `leave out --reverse ${column}`,
  };
}

/** How rows come back into the old table, once the tables are swapped. */
function planBack(
  { table, change }: Facts,
  { definitions }: Seen,
  { trial, isRepeatable }: Tried,
  { mapping, key }: HowRowsGo,
): PlannedBack {
  const { before, after, changed, castsBack } = trial;
  return wayBack({
    table: table.name,
    before,
    after,
    sources: mapping.sources,
    key,
    reverse: change.reverse,
    sequences: changed.sequences,
    castsBack,
    isRepeatable,
    narrower: narrowerRules({
      before,
      after,
      statements: change.statements,
      foreignKeys: { before: definitions.foreignKeysOut, after: trial.definitions.target.foreignKeysOut },
    }),
  });
}

function judgeCopied(
  { request, server }: Facts,
  { source, dependents, definitions }: Seen,
  trial: Trial,
  serials: readonly SerialFate[],
): JudgedDependent[] {
  return judgeDependents({
    request,
    dependents,
    source,
    target: trial.after,
    serials,
    before: definitions,
    after: trial.definitions.target,
    failed: trial.definitions.refusals,
    serverVersion: server.version,
  });
}

function againstCopy(
  { source }: Seen,
  { trial, forCopy, stale, storedOids }: Tried,
  { mapping, refusals }: HowRowsGo,
  judged: readonly JudgedDependent[],
): Refusal[] {
  return [
    ...forCopy,
    ...trial.forbidden,
    ...mapping.refusals,
    ...refusals,
    ...checkInvalidIndexes(source),
    ...checkStaleGenerated(source, stale, mapping.columns),
    ...checkStoredOids(source, storedOids, mapping.columns),
    ...checkSelfReferences(source, trial.after, mapping.sources),
    ...judged.flatMap(({ refusal }) => (refusal === null ? [] : [refusal])),
    ...unlisted(trial.definitions.refusals, judged),
  ];
}

/** What says the same is said once. */
function eachOnce(refusals: readonly Refusal[]): Refusal[] {
  return refusals.filter(
    ({ message }, index) => refusals.findIndex((each) => each.message === message) === index,
  );
}

function copyFacts(
  { source, definitions }: Seen,
  trial: Trial,
  { mapping, key }: HowRowsGo,
  serials: readonly SerialFate[],
): Omit<CopyFacts, 'back'> & { readonly key: Key | null } {
  const { target } = trial.definitions;
  return {
    how: 'copy',
    source,
    target: withLateChecks(trial.after, trial.lateChecks),
    columns: mapping.columns,
    key,
    projection: mapping.projection,
    definitions: { source: definitions, target },
    serials,
    lateChecks: trial.lateChecks,
    checkedForeignKeys: trial.checkedForeignKeys,
    // Whoever asks for another looks whether it can be had (choose-capture.ts).
    capture: defaultCaptureMode,
    lockSet: lockSet({ oid: source.oid, name: source.name }, withDropped(target, definitions)),
  };
}

function nativeFacts(
  { table, change }: Facts,
  source: TableShape,
  { native }: Trial,
  { mapping, key }: HowRowsGo,
): NativeFacts {
  const around = native?.around ?? null;
  return {
    how: 'native',
    source,
    columns: mapping.columns,
    key,
    statementLocks: change.statements.map((statement) => ({
      mode: strongestLock(statement),
      actions: statement.actions.map(({ label }) => label),
    })),
    around:
      around === null
        ? null
        : {
            ...around,
            takeOff: takeOffStatements(table, around),
            putBack: putBackStatements(table, around),
          },
    lockSet: nativeLockSet(source, native),
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
function decideWithDependents(decided: Verdict, { trial: { native }, forAround }: Tried): Decided {
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

/** What can be said when nothing could be tried. */
function untried(facts: Facts): RefusedPlan {
  const { refusals, seen } = facts;
  return {
    ...known(facts),
    verdict: 'refused',
    reasons: refusals,
    dependents: untriedDependents(seen?.dependents ?? []),
    warnings: [],
    source: seen?.source ?? null,
    estimates: seen === null ? null : estimatesOf(seen.sizes, 'copy'),
    found: null,
  };
}

/** What is the same whatever becomes of the change. */
function known({ request, change, server, table, settings, refusals, seen }: Facts) {
  return {
    table,
    request,
    statements:
      refusals.length > 0
        ? []
        : change.statements.map((statement) => retargetStatement(statement, table.schema)),
    obstacles: seen?.obstacles ?? [],
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
