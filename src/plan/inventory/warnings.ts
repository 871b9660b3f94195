/** What a user should know before the change, though it does not stand in its way. Pure. */
import type { TargetDefinitions } from '../../model/definitions.js';
import type { ServerFacts } from '../../catalog/server.js';
import type { Dependent, DependentKind } from '../../model/dependent.js';
import type { TableShape } from '../../model/table-shape.js';
import type { WayBack } from '../../model/way-back.js';
import type { Change } from '../change/types.js';
import { callsUserCode } from '../checks/self-references.js';
import { isUntried } from '../checks/dependents.js';
import { unseenOids } from '../checks/stored-oids.js';
import { defaultMaxHoldMs } from '../../locks/lock-request.js';
import { advisedMaxHoldMs, isTight } from './hold-estimate.js';
import type { NativeTrial } from '../trial/definitions/try-native.js';
import type { ColumnMapping } from '../../model/column-mapping.js';
import type { LateCheck } from '../../model/late-check.js';
import type { PlanWarning } from '../../model/plan-warning.js';
import type { Key } from '../../model/key.js';

export interface WarningInput {
  readonly verdict: 'native' | 'copy';
  readonly change: Change;
  readonly source: TableShape;
  readonly target: TableShape;
  readonly columns: readonly ColumnMapping[];
  readonly key: Key | null;
  /** null for a native change. */
  readonly back: WayBack | null;
  readonly dependents: readonly Dependent[];
  /** Of a native change. */
  readonly native: NativeTrial | null;
  /** null for a native change. */
  readonly definitions: TargetDefinitions | null;
  readonly lateChecks: readonly LateCheck[];
  /** `--allow-publication-all` was given. */
  readonly allowedPublications: boolean;
  readonly server: ServerFacts;
  readonly rows: number | null;
  /** The estimate of the hold of a swap; null for a native change. */
  readonly holdMs: number | null;
  /** What a run gives it. */
  readonly maxHoldMs: number;
  /** Of the types of referencing and referenced columns: what domains are made of. */
  readonly baseTypes: ReadonlyMap<string, string>;
  /** What event triggers added to the clone. */
  readonly takenOff: readonly string[];
  /** Columns in which OIDs of the table were found. */
  readonly storedOids: readonly string[];
}

export function warningsFor(input: WarningInput): PlanWarning[] {
  return [
    ...resultWarnings(input),
    ...holdWarnings(input),
    ...(input.verdict === 'copy' ? copyWarnings(input) : nativeWarnings(input)),
  ];
}

function holdWarnings({ holdMs, maxHoldMs }: WarningInput): PlanWarning[] {
  if (holdMs === null || !isTight(holdMs, maxHoldMs)) return [];
  const isGiven = maxHoldMs !== defaultMaxHoldMs;
  const facts = { holdMs, maxHoldMs, isGiven, advisedMaxHoldMs: advisedMaxHoldMs(holdMs) };
  return [{ code: 'long-hold', facts }];
}

function resultWarnings({ source, target, server, rows }: WarningInput): PlanWarning[] {
  const shape = (table: TableShape): string =>
    JSON.stringify(table.columns.map(({ name, typeOid, typmod }) => [name, typeOid, typmod]));
  return [
    ...when(shape(source) !== shape(target), { code: 'cached-plans', facts: {} }),
    ...when(!server.seesAllActivity, { code: 'activity-hidden', facts: { role: server.role } }),
    ...when(rows === null, { code: 'never-analyzed', facts: {} }),
  ];
}

function copyWarnings(input: WarningInput): PlanWarning[] {
  const { change, source, target, columns, key, server, definitions, dependents, lateChecks, takenOff } =
    input;
  const unsteady = columns.filter(({ volatile }) => volatile === true).map(({ target: name }) => name);
  const identities = target.sequences
    .filter(({ identity, startsAt }) => identity && startsAt === undefined)
    .map(({ column }) => column);
  return [
    ...when(takenOff.length > 0, { code: 'event-trigger', facts: { takenOff } }),
    ...(key?.mayCollide === true ? [collisionWarning(key)] : []),
    ...(definitions === null ? [] : referencingTypeWarnings(definitions, target, input.baseTypes)),
    ...narrowerWarnings(input.back),
    ...lateChecks.map((facts): PlanWarning => ({ code: 'late-check', facts })),
    ...generatedWarnings(source, columns),
    ...storedOidWarnings(input),
    ...(definitions === null ? [] : matviewWarnings(definitions)),
    ...(definitions === null ? [] : partitionWarnings(definitions, server)),
    ...when(input.allowedPublications && dependents.some(({ kind }) => publications.has(kind)), {
      code: 'publication-all',
      facts: {},
    }),
    ...when(unsteady.length > 0, { code: 'volatile-expression', facts: { columns: unsteady } }),
    ...when(onlyCreatesIndexes(change), { code: 'index-only', facts: {} }),
    ...when(identities.length > 0, { code: 'identity', facts: { columns: identities } }),
    ...when(server.settings.synchronousStandbys, { code: 'synchronous-commit', facts: {} }),
  ];
}

/** Where nothing comes back there is nothing that could be too much. */
function narrowerWarnings(back: WayBack | null): PlanWarning[] {
  return back === null || back.way === null || back.narrower.length === 0
    ? []
    : [{ code: 'old-shape-narrower', facts: { narrower: back.narrower } }];
}

function when(condition: boolean, warning: PlanWarning): PlanWarning[] {
  return condition ? [warning] : [];
}

/** Those that publish the table without naming it. */
const publications: ReadonlySet<DependentKind> = new Set(['publication-schema', 'publication-all-tables']);

/** PostgreSQL compares int with bigint gladly, until the first value that the smaller type does not hold. */
function referencingTypeWarnings(
  { foreignKeysIn }: TargetDefinitions,
  target: TableShape,
  baseTypes: ReadonlyMap<string, string>,
): PlanWarning[] {
  const base = (type: string): string => baseTypes.get(type) ?? type;
  const columns = foreignKeysIn.flatMap((key) =>
    key.columns.flatMap((column, index) => {
      const references = target.columns.find(({ name }) => name === key.referencedColumns[index])?.type;
      const type = key.columnTypes[index];
      // What was of another type before the change is none of its doing.
      const isTouched = references !== key.referencedTypes[index];
      return references === undefined || type === undefined || !isTouched || base(references) === base(type)
        ? []
        : [{ table: key.table, column, type, references }];
    }),
  );
  return when(columns.length > 0, { code: 'referencing-types', facts: { columns } });
}

/** Until 18 VALIDATE CONSTRAINT marks the foreign key itself, and forgets the rows of pg_constraint for each partition. */
const validatesPartitionsSince = 180000;

function partitionWarnings({ foreignKeysOut }: TargetDefinitions, server: ServerFacts): PlanWarning[] {
  const foreignKeys = foreignKeysOut
    .filter(({ referencesPartitioned, validated }) => referencesPartitioned && validated)
    .map(({ name, table }) => ({ name, table }));
  return when(foreignKeys.length > 0 && server.version < validatesPartitionsSince, {
    code: 'partitions-not-marked',
    facts: { foreignKeys },
  });
}

function matviewWarnings({ views }: TargetDefinitions): PlanWarning[] {
  const names = views.filter(({ materialized }) => materialized).map(({ name }) => name);
  return when(names.length > 0, { code: 'materialized-views', facts: { views: names } });
}

/** What is stored was computed when each row was written; a function of PostgreSQL's own is never another one. */
function generatedWarnings(source: TableShape, columns: readonly ColumnMapping[]): PlanWarning[] {
  const names = columns.flatMap(({ source: name, keepsValues }) => {
    const expression = source.columns.find((column) => column.name === name)?.default ?? null;
    return keepsValues === true && name !== null && expression !== null && callsUserCode(expression)
      ? [name]
      : [];
  });
  return when(names.length > 0, { code: 'generated-sampled', facts: { columns: names } });
}

function storedOidWarnings({ columns, storedOids }: WarningInput): PlanWarning[] {
  const names = unseenOids(storedOids, columns);
  return when(names.length > 0, { code: 'oids-sampled', facts: { columns: names } });
}

function collisionWarning({ index, columns }: Key): PlanWarning {
  const retyped = columns
    .filter(({ type, targetType }) => type !== targetType)
    .map(({ name, type, targetType }) => ({ name, type, targetType }));
  return { code: 'keys-may-collide', facts: { index, columns: retyped } };
}

function onlyCreatesIndexes({ statements, set, rewrite }: Change): boolean {
  const kinds = statements.flatMap(({ actions }) => actions.map(({ kind }) => kind));
  return set.length === 0 && !rewrite && kinds.length > 0 && kinds.every((kind) => kind === 'create index');
}

function nativeWarnings({ source, dependents, native }: WarningInput): PlanWarning[] {
  const untried = dependents
    .filter((each) => isUntried(each, native))
    .map(({ name, via, extension }) => ({ name, via, extension }));
  return when(untried.length > 0, {
    code: 'dependents-untried',
    facts: { table: source.name, dependents: untried },
  });
}
