/** What a user should know before the change, though it does not stand in its way. Pure. */
import type { TargetDefinitions } from '../../model/definitions.js';
import type { ServerFacts } from '../../catalog/server.js';
import type { Dependent, TableShape } from '../../model/table-shape.js';
import { defaultMaxHoldMs } from '../../locks/lock-request.js';
import { displayIdent, displayName } from '../../sql/quote.js';
import type { Change } from '../change/types.js';
import { callsUserCode } from '../checks/self-references.js';
import { describeDependent, isUntried } from '../checks/dependents.js';
import { advisedMaxHoldMs, isTight } from './hold-estimate.js';
import type { NativeTrial } from '../trial/definitions/try-native.js';
import { withNames } from '../../sql/few-names.js';
import type { ColumnMapping, LateCheck, Warning } from '../../model/plan.js';
import type { Key } from '../../model/key.js';

export interface WarningInput {
  readonly verdict: 'native' | 'copy';
  readonly change: Change;
  readonly source: TableShape;
  readonly target: TableShape;
  readonly columns: readonly ColumnMapping[];
  readonly key: Key | null;
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
}

export function warningsFor(input: WarningInput): Warning[] {
  return [
    ...resultWarnings(input),
    ...holdWarnings(input),
    ...(input.verdict === 'copy' ? copyWarnings(input) : nativeWarnings(input)),
  ];
}

function told(names: readonly string[], say: (listed: string) => string): Omit<Warning, 'code'> {
  const { full, ...brief } = withNames(names, say);
  return { message: full, ...brief };
}

function holdWarnings({ holdMs, maxHoldMs }: WarningInput): Warning[] {
  if (holdMs === null || !isTight(holdMs, maxHoldMs)) return [];
  const unlessGiven = maxHoldMs === defaultMaxHoldMs ? ' unless given' : '';
  return [
    {
      code: 'long-hold',
      message: `the swap locks the table and all that hangs on it for about ${holdMs} ms, most of it for foreign keys and views; a try that takes longer than --max-hold (${maxHoldMs} ms${unlessGiven}) is rolled back: give --max-hold ${advisedMaxHoldMs(holdMs)}, and measure it in staging with plan --rehearse`,
    },
  ];
}

function resultWarnings({ source, target, server, rows }: WarningInput): Warning[] {
  const shape = (table: TableShape): string =>
    JSON.stringify(table.columns.map(({ name, typeOid, typmod }) => [name, typeOid, typmod]));
  const warnings: Warning[] = [];
  if (shape(source) !== shape(target)) {
    warnings.push({
      code: 'cached-plans',
      message:
        'the columns change: a prepared SELECT * or RETURNING * fails with 0A000 "cached plan must not change result type" until its session prepares it again, and the application sees the new names and types from the swap on',
    });
  }
  if (!server.seesAllActivity) {
    warnings.push({
      code: 'activity-hidden',
      message: `role ${server.role} is not in pg_monitor: sessions of other roles that could block the lock may be missing below`,
    });
  }
  if (rows === null) {
    warnings.push({
      code: 'never-analyzed',
      message: 'the table was never analyzed: there is no estimate of its rows',
    });
  }
  return warnings;
}

function copyWarnings({
  change,
  source,
  target,
  columns,
  key,
  server,
  definitions,
  dependents,
  lateChecks,
  allowedPublications,
  baseTypes,
  takenOff,
}: WarningInput): Warning[] {
  const warnings: Warning[] = [
    ...eventTriggerWarnings(takenOff),
    ...(key?.mayCollide === true ? [collisionWarning(key)] : []),
    ...(definitions === null ? [] : referencingTypeWarnings(definitions, target, baseTypes)),
    ...lateCheckWarnings(lateChecks),
    ...generatedWarnings(source, columns),
    ...(definitions === null ? [] : matviewWarnings(definitions)),
    ...(definitions === null ? [] : partitionWarnings(definitions, server)),
  ];
  if (allowedPublications && dependents.some(({ kind }) => kind.startsWith('publication-'))) {
    warnings.push({
      code: 'publication-all',
      message:
        'a publication of all tables sends the shadow (ghost_new_<id>) and the change log (schema ghost) to its subscribers as well: those that lack tables of these names stop with an error, unless they ignore unknown tables. A publication of the schema sends the new table from the swap on. The subscribers need a refresh of the subscription after it',
    });
  }
  const unsteady = columns.filter(({ volatile }) => volatile === true).map(({ target: name }) => name);
  if (unsteady.length > 0) {
    warnings.push({
      code: 'volatile-expression',
      message: `the expression for ${unsteady.join(', ')} gives another value each time: rows that change while the table is copied get a later one, and the column is not verified`,
    });
  }
  if (onlyCreatesIndexes(change)) {
    warnings.push({
      code: 'index-only',
      message:
        'CREATE INDEX CONCURRENTLY on the table itself may be all that is needed: it blocks no writes, and copies nothing',
    });
  }
  const identities = target.sequences
    .filter(({ identity, startsAt }) => identity && startsAt === undefined)
    .map(({ column }) => column);
  if (identities.length > 0) {
    warnings.push({
      code: 'identity',
      message: `identity column ${identities.join(', ')}: the values are copied as they are, and the sequence goes on where it stands at the swap`,
    });
  }
  if (server.settings.synchronousStandbys) {
    warnings.push({
      code: 'synchronous-commit',
      message:
        'the server waits for a synchronous standby at commit, also in the swap: that wait is part of the hold',
    });
  }
  return warnings;
}

/** PostgreSQL compares int with bigint gladly, until the first value that the smaller type does not hold. */
function referencingTypeWarnings(
  { foreignKeysIn }: TargetDefinitions,
  target: TableShape,
  baseTypes: ReadonlyMap<string, string>,
): Warning[] {
  const base = (type: string): string => baseTypes.get(type) ?? type;
  const columns = foreignKeysIn.flatMap((key) =>
    key.columns.flatMap((column, index) => {
      const type = target.columns.find(({ name }) => name === key.referencedColumns[index])?.type;
      const own = key.columnTypes[index];
      // What was of another type before the change is none of its doing.
      const isTouched = type !== key.referencedTypes[index];
      return type === undefined || own === undefined || !isTouched || base(type) === base(own)
        ? []
        : [`${displayName(key.table)}.${column} (${own}, references ${type})`];
    }),
  );
  if (columns.length === 0) return [];
  return [
    {
      code: 'referencing-types',
      ...told(
        columns,
        (listed) =>
          `columns of other tables that reference this one keep their type: ${listed}; a value that does not fit there cannot be referenced`,
      ),
    },
  ];
}

/** Until 18 VALIDATE CONSTRAINT marks the foreign key itself, and forgets the rows of pg_constraint for each partition. */
const validatesPartitionsSince = 180000;

function partitionWarnings({ foreignKeysOut }: TargetDefinitions, server: ServerFacts): Warning[] {
  const names = foreignKeysOut
    .filter(({ referencesPartitioned, validated }) => referencesPartitioned && validated)
    .map(({ name, table }) => `${displayIdent(name)} of ${displayName(table)}`);
  if (names.length === 0 || server.version >= validatesPartitionsSince) return [];
  return [
    {
      code: 'partitions-not-marked',
      ...told(
        names,
        (listed) =>
          `foreign key ${listed} references a partitioned table: it is validated after the swap and checks every write, but PostgreSQL before 18 leaves convalidated = false in its internal entries for the partitions`,
      ),
    },
  ];
}

function lateCheckWarnings(checks: readonly LateCheck[]): Warning[] {
  return checks.map(({ name, why }) => ({
    code: 'late-check',
    message: `CHECK ${name} ${why === 'not immutable' ? 'depends on the moment or on a setting' : 'calls a function that may have been replaced since'}, and PostgreSQL has never looked again at the rows that were written under it: it is made NOT VALID in the swap, checks every write from then on, and is validated after it; where a row does not hold any more it stays NOT VALID, as ALTER TABLE would not leave it`,
  }));
}

/** What is stored was computed when each row was written; a function of PostgreSQL's own is never another one. */
function generatedWarnings(source: TableShape, columns: readonly ColumnMapping[]): Warning[] {
  const names = columns.flatMap(({ source: name, keepsValues }) => {
    const expression = source.columns.find((column) => column.name === name)?.default ?? null;
    return keepsValues === true && name !== null && expression !== null && callsUserCode(expression)
      ? [name]
      : [];
  });
  if (names.length === 0) return [];
  return [
    {
      code: 'generated-sampled',
      ...told(
        names,
        (listed) =>
          `stored generated column ${listed} calls functions that may have been replaced since its values were stored, and a copy computes them anew: here only the first and last blocks were compared. The verification compares every row; with --verify off nothing does, and with --verify sample not all`,
      ),
    },
  ];
}

function matviewWarnings({ views }: TargetDefinitions): Warning[] {
  const names = views.filter(({ materialized }) => materialized).map(({ name }) => displayName(name));
  if (names.length === 0) return [];
  return [
    {
      code: 'materialized-views',
      ...told(names, (listed) => `${listed} cannot be read from the swap until the refresh after it is done`),
    },
  ];
}

function collisionWarning({ index, columns }: Key): Warning {
  const becomes = columns
    .filter(({ type, targetType }) => type !== targetType)
    .map(({ name, type, targetType }) => `${name} from ${type} to ${targetType}`);
  const how = becomes.length === 0 ? 'its values are computed anew' : becomes.join(', ');
  return {
    code: 'keys-may-collide',
    message: `rows are found by ${index}, and for all that is known different keys may become equal (${how}): keys that do are found, named, and end the run before the swap (unique-violation)`,
  };
}

function onlyCreatesIndexes({ statements, set, rewrite }: Change): boolean {
  const kinds = statements.flatMap(({ actions }) => actions.map(({ kind }) => kind));
  return set.length === 0 && !rewrite && kinds.length > 0 && kinds.every((kind) => kind === 'create index');
}

function nativeWarnings({ source, dependents, native }: WarningInput): Warning[] {
  const names = dependents.filter((each) => isUntried(each, native)).map(describeDependent);
  if (names.length === 0) return [];
  return [
    {
      code: 'dependents-untried',
      ...told(
        names,
        (listed) =>
          `the change was tried without these, which depend on ${displayName(source.name)}: ${listed}. Where one of them forbids it, PostgreSQL says so when it runs, and nothing is changed`,
      ),
    },
  ];
}

function eventTriggerWarnings(takenOff: readonly string[]): Warning[] {
  if (takenOff.length === 0) return [];
  return [
    {
      code: 'event-trigger',
      message: `event triggers add to each new table what yours does not get by this change; it is taken off the new one again: ${takenOff.join('; ')}`,
    },
  ];
}
