/**
 * The inventory of what hangs on the table: for each object whether it goes over by itself, is made anew in the swap, goes
 * with a dropped column, or cannot follow, which refuses the change by the object's name.
 */
import type { Definitions, ForeignKey, TargetDefinitions } from '../../model/definitions.js';
import {
  describeDependent,
  publishes,
  type CarriedHow,
  type Dependent,
  type DependentFate,
  type DependentKind,
  type PlannedDependent,
  type RecreatedHow,
} from '../../model/dependent.js';
import type { TableShape } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import type { Failed } from '../trial/definitions/attach-to-clone.js';
import { namedObjects } from '../../sql/definition-names.js';
import type { NativeTrial } from '../trial/definitions/try-native.js';
import type { SerialFate } from '../../model/column-mapping.js';
import type { ChangeRequest } from '../../model/change-request.js';

export interface DependentFacts {
  readonly request: ChangeRequest;
  readonly dependents: readonly Dependent[];
  readonly source: TableShape;
  readonly target: TableShape;
  /** Sequences that stay the same objects. */
  readonly serials: readonly SerialFate[];
  readonly before: Definitions;
  readonly after: TargetDefinitions;
  /** What PostgreSQL would not make on the changed clone. */
  readonly failed: readonly Failed[];
  readonly serverVersion: number;
}

/** What refuses the change comes with the way out. */
type Fate =
  | Exclude<DependentFate, { treatment: 'refused' }>
  | { readonly treatment: 'refused'; readonly why: string; readonly hint: string };

export interface JudgedDependent {
  readonly planned: PlannedDependent;
  readonly refusal: Refusal | null;
}

export function judgeDependents(facts: DependentFacts): JudgedDependent[] {
  return facts.dependents.map((dependent) => {
    const { kind, oid } = dependent;
    const failed = facts.failed.find((each) => each.code === kind && each.oid === oid);
    if (failed !== undefined) {
      return {
        planned: withFate(dependent, { treatment: 'refused', why: failed.message }),
        refusal: failed,
      };
    }
    const fate = fateOf(dependent, facts);
    if (fate.treatment !== 'refused') return { planned: withFate(dependent, fate), refusal: null };
    const { why, hint } = fate;
    const message = `${describeDependent(dependent)}: ${why}`;
    return {
      planned: withFate(dependent, { treatment: 'refused', why }),
      refusal: namedElsewhere.has(kind) ? null : { code: kind, message, hint },
    };
  });
}

function withFate({ sequences: _, ...dependent }: Dependent, fate: DependentFate): PlannedDependent {
  return { ...dependent, fate };
}

const dropItBefore =
  'drop it before and create it again after the migration, if the application can do without it meanwhile';

const carried = (how: CarriedHow): Fate => ({ treatment: 'carried', how });
const recreated = (how: RecreatedHow): Fate => ({ treatment: 'recreated', how });
const refused = (why: string, hint: string = dropItBefore): Fate => ({ treatment: 'refused', why, hint });
const droppedByChange: Fate = { treatment: 'dropped', how: 'by-the-change' };
const withItsColumn: Fate = { treatment: 'dropped', how: 'with-its-column' };

function fateOf(dependent: Dependent, facts: DependentFacts): Fate {
  if (dependent.extension !== null) {
    return refused(
      'it belongs to an extension, which alone may make it',
      'migrate the table without the extension',
    );
  }
  const { sequences } = dependent;
  if (sequences !== undefined) {
    const stay = facts.serials.map(({ sequence }) => sequence.oid);
    if (sequences.every((oid) => stay.includes(oid))) return carried('sequence-stays');
    if (isDefaultMadeAgain(dependent, facts.after)) return defaultMadeAgain;
    return refused('it uses a sequence that goes away with the old table');
  }
  const through = viewOn(dependent, facts);
  if (through?.how === 'replace' && staysWithItsView.has(dependent.kind)) {
    return carried('view-stays');
  }
  const decide = fates[dependent.kind];
  return typeof decide === 'function' ? decide(dependent, facts) : decide;
}

/** The view through which it depends on the table. */
function viewOn({ via }: Dependent, { after }: DependentFacts) {
  return after.views.find(({ oid }) => oid === via?.oid);
}

const staysWithItsView: ReadonlySet<DependentKind> = new Set([
  'function-row-type',
  'row-type-column',
  'row-type',
  'policy-elsewhere',
  'rule-elsewhere',
  'trigger-elsewhere',
  'other',
]);

const rowType = refused("it is bound to the old table's row type");

const fates: Readonly<Record<DependentKind, Fate | ((dependent: Dependent, facts: DependentFacts) => Fate)>> =
  {
    'foreign-key-in': foreignKey,
    'foreign-key-out': foreignKey,
    'foreign-key-self': foreignKey,
    trigger: recreated('made-with-firing'),
    'constraint-trigger': recreated('made-with-firing'),
    'trigger-elsewhere': refused('it would go on naming the old table'),
    rule: recreated('made'),
    'rule-elsewhere': (dependent, { after }) =>
      after.rulesElsewhere.some(({ oid }) => oid === dependent.oid)
        ? recreated('rule-replaced')
        : refused('it reads a view that has to be dropped'),
    view: (dependent, { after }) => {
      const view = after.views.find(({ oid }) => oid === dependent.oid);
      if (view === undefined) return refused('it would go on reading the old table');
      if (view.temporary) {
        return refused(
          "it is in the temporary schema of somebody's session",
          'end that session, or drop it there',
        );
      }
      return view.how === 'replace' ? recreated('view-replaced') : recreated('view-recreated');
    },
    'materialized-view': (_, { request }) =>
      request.matviews === 'recreate'
        ? recreated('materialized-view')
        : refused(
            'it would go on reading the old table',
            'with --matviews recreate it is dropped and made again in the swap, and refreshed after it; queries on it fail in between',
          ),
    'view-trigger': carried('with-its-view'),
    'view-rule': carried('with-its-view'),
    'row-level-security': carried('row-security'),
    policy: recreated('made'),
    'policy-elsewhere': (dependent, { after }) =>
      after.policiesElsewhere.some(({ oid }) => oid === dependent.oid)
        ? recreated('policy-altered')
        : refused('it reads a view that has to be dropped'),
    'function-body': recreated('function-replaced'),
    'function-row-type': (dependent, { after }) =>
      after.rowTypeFunctions.some(({ oid }) => oid === dependent.oid)
        ? recreated('function-recreated')
        : rowType,
    'row-type-column': rowType,
    'row-type': rowType,
    'default-elsewhere': (dependent, { after }) =>
      isDefaultMadeAgain(dependent, after)
        ? defaultMadeAgain
        : refused('it names the table itself, and would go on meaning the old one'),
    'extended-statistics': (dependent, { source, target }) => {
      const name = source.statistics.find(({ oid }) => oid === dependent.oid)?.name.name;
      if (name === undefined) return refused('it would stay on the old table');
      return target.statistics.some((each) => each.name.name === name)
        ? carried('statistics')
        : withItsColumn;
    },
    publication: recreated('publication'),
    'publication-schema': allTables,
    'publication-all-tables': allTables,
    subscription: refused(
      'it would go on writing into the old table',
      'migrate the publisher and the subscriber each while the subscription is dropped, or let it follow by a refresh',
    ),
    'inheritance-parent': refused('the new table would not belong to it'),
    'inheritance-child': refused('it would go on inheriting from the old table'),
    'partition-of': refused('the new table would not be a partition of it'),
    partition: refused('it would stay with the old table'),
    'partitioned-table': refused('a partitioned table has no rows of its own to copy'),
    'typed-table': refused('its columns are those of its type'),
    'extension-member': refused('the new table would not belong to it'),
    'depends-on-extension': ({ catalog, oid }, { source, target }) => {
      const index = catalog === 'pg_class' ? source.indexes.find((each) => each.oid === oid) : undefined;
      if (index === undefined) return refused('the mark would be lost');
      return target.indexes.some(({ name }) => name === index.name)
        ? carried('extension-mark')
        : withItsColumn;
    },
    'security-label': recreated('security-label'),
    other: refused('it refers to the table or a part of it, and would go on meaning the old one'),
  };

const defaultMadeAgain = recreated('default-set');

function isDefaultMadeAgain({ oid }: Dependent, { defaultsElsewhere }: TargetDefinitions): boolean {
  return defaultsElsewhere.some((each) => each.oid === oid);
}

/** 18 is the first that can add a foreign key of a partitioned table without reading its rows. */
const partitionedNotValidSince = 180000;

function foreignKey(dependent: Dependent, { before, after, serverVersion }: DependentFacts): Fate {
  const same = ({ oid }: ForeignKey): boolean => oid === dependent.oid;
  const key = [...before.foreignKeysOut, ...before.foreignKeysIn].find(same);
  if (key === undefined) return refused('it would be lost');
  if (![...after.foreignKeysOut, ...after.foreignKeysIn].some(same)) return droppedByChange;
  if (key.disabled) {
    return refused(
      'its triggers are disabled, and no statement makes such a foreign key',
      'enable its triggers before',
    );
  }
  if (key.partitioned && serverVersion < partitionedNotValidSince) {
    return refused('a foreign key of a partitioned table cannot be added NOT VALID before PostgreSQL 18');
  }
  return key.validated ? recreated('foreign-key-validated') : recreated('foreign-key-as-it-was');
}

function allTables({ kind }: Dependent, { request }: DependentFacts): Fate {
  const how = kind === 'publication-all-tables' ? 'publishes-all-tables' : 'publishes-schema';
  return request.allowPublicationAll === true
    ? carried(how)
    : refused(publishes[how], 'with --allow-publication-all the migration goes on all the same');
}

/** Kinds that `checkRelationKind` names already are not repeated as refusals. */
const namedElsewhere: ReadonlySet<DependentKind> = new Set([
  'partitioned-table',
  'partition',
  'partition-of',
]);

/** Where nothing could be tried. */
export function untriedDependents(dependents: readonly Dependent[]): PlannedDependent[] {
  return dependents.map((dependent) => withFate(dependent, { treatment: 'refused', why: null }));
}

/** Kinds of which there is nothing on the clone of a native change. */
const notOnClone: ReadonlySet<DependentKind> = new Set([
  'function-row-type',
  'row-type',
  'trigger-elsewhere',
  'inheritance-child',
  'other',
]);

/** The change was not tried with it: whether it forbids the change is first seen when that runs. */
export function isUntried({ kind, oid }: Dependent, native: NativeTrial | null): boolean {
  return (
    notOnClone.has(kind) ||
    native?.untried.some((failed) => failed.code === kind && failed.oid === oid) === true
  );
}

/** A native change leaves them where they are, but for those that stand in its way. */
export function nativeDependents(
  dependents: readonly Dependent[],
  native: NativeTrial | null,
): PlannedDependent[] {
  const taken = new Set(
    native?.around == null ? [] : namedObjects(native.around.source).map(({ oid }) => oid),
  );
  return dependents.map((dependent) =>
    withFate(
      dependent,
      taken.has(dependent.oid)
        ? { treatment: 'recreated', how: 'around-the-change' }
        : { treatment: 'carried', how: isUntried(dependent, native) ? 'untouched-untried' : 'untouched' },
    ),
  );
}
