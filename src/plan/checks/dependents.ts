/**
 * The inventory of what hangs on the table: for each object whether it goes over by itself, is made anew in the swap, goes
 * with a dropped column, or cannot follow, which refuses the change by the object's name.
 */
import type { Definitions, ForeignKey, TargetDefinitions } from '../../model/definitions.js';
import type { Dependent, DependentKind, TableShape } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import type { Failed } from '../trial/definitions/attach-to-clone.js';
import { namedObjects } from '../trial/definitions/taken-off.js';
import type { NativeTrial } from '../trial/definitions/try-native.js';
import type { PlannedDependent, SerialFate } from '../../model/plan.js';
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

interface Fate {
  readonly treatment: PlannedDependent['treatment'];
  readonly why: string;
  readonly hint?: string;
}

export interface JudgedDependent extends PlannedDependent {
  readonly refusal: Refusal | null;
}

export function judgeDependents(facts: DependentFacts): JudgedDependent[] {
  return facts.dependents.map((dependent) => {
    const failed = facts.failed.find(({ code, oid }) => code === dependent.kind && oid === dependent.oid);
    const name = describeDependent(dependent);
    const { kind, catalog, oid } = dependent;
    const what = { kind, name, object: { catalog, oid } };
    if (failed !== undefined) {
      return { ...what, treatment: 'refused', why: failed.message, refusal: failed };
    }
    const { treatment, why, hint = dropItBefore } = fateOf(dependent, facts);
    const refusal =
      treatment !== 'refused' || namedElsewhere.has(dependent.kind)
        ? null
        : { code: dependent.kind, message: `${name}: ${why}`, hint };
    return { ...what, treatment, why, refusal };
  });
}

const dropItBefore =
  'drop it before and create it again after the migration, if the application can do without it meanwhile';

const carried = (why: string): Fate => ({ treatment: 'carried', why });
const recreated = (why: string): Fate => ({ treatment: 'recreated', why });
const refused = (why: string, hint: string = dropItBefore): Fate => ({ treatment: 'refused', why, hint });
const droppedByChange: Fate = { treatment: 'dropped', why: 'the change drops it, or a column of it' };
const withItsColumn: Fate = { treatment: 'dropped', why: 'goes with a column that the change drops' };

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
    if (sequences.every((oid) => stay.includes(oid))) return carried('the sequence stays the same');
    if (isDefaultMadeAgain(dependent, facts.after)) return defaultMadeAgain;
    return refused('it uses a sequence that goes away with the old table');
  }
  const through = viewOn(dependent, facts);
  if (through?.how === 'replace' && staysWithItsView.has(dependent.kind)) {
    return carried('its view keeps its columns and stays the same object');
  }
  const decide = fates[dependent.kind];
  return typeof decide === 'function' ? decide(dependent, facts) : decide;
}

/** The view through which it depends on the table. */
function viewOn({ via }: Dependent, { dependents, after }: DependentFacts) {
  const view = via === null ? undefined : dependents.find(({ name }) => name === via);
  return after.views.find(({ oid }) => oid === view?.oid);
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
    trigger: recreated('made on the new table in the swap, firing or not as it was'),
    'constraint-trigger': recreated('made on the new table in the swap, firing or not as it was'),
    'trigger-elsewhere': refused('it would go on naming the old table'),
    rule: recreated('made on the new table in the swap'),
    'rule-elsewhere': (dependent, { after }) =>
      after.rulesElsewhere.some(({ oid }) => oid === dependent.oid)
        ? recreated('replaced in the swap, so that it uses the new table')
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
      return view.how === 'replace'
        ? recreated('its query is replaced in the swap; owner, grants and all else stay')
        : recreated('dropped and made again in the swap, with owner, grants and all that hangs on it');
    },
    'materialized-view': (_, { request }) =>
      request.matviews === 'recreate'
        ? recreated(
            'dropped and made again empty in the swap, and refreshed after it: not readable in between',
          )
        : refused(
            'it would go on reading the old table',
            'with --matviews recreate it is dropped and made again in the swap, and refreshed after it; queries on it fail in between',
          ),
    'view-trigger': carried('with its view'),
    'view-rule': carried('with its view'),
    'row-level-security': carried('switched on in the swap; nobody can reach the new table before'),
    policy: recreated('made on the new table in the swap'),
    'policy-elsewhere': (dependent, { after }) =>
      after.policiesElsewhere.some(({ oid }) => oid === dependent.oid)
        ? recreated('altered in the swap, so that it reads the new table')
        : refused('it reads a view that has to be dropped'),
    'function-body': recreated('replaced in the swap, with the same OID, owner and grants'),
    'function-row-type': (dependent, { after }) =>
      after.rowTypeFunctions.some(({ oid }) => oid === dependent.oid)
        ? recreated(
            'dropped and made again in the swap, with owner, grants and comment; its OID is another one',
          )
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
        ? carried('on the new table before the swap, and analyzed there')
        : withItsColumn;
    },
    publication: recreated(
      'in the swap the new table takes the place of the old one, with its columns and filter',
    ),
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
        ? carried('the new index has the mark as ALTER leaves it')
        : withItsColumn;
    },
    'security-label': recreated('set on the new table in the swap'),
    other: refused('it refers to the table or a part of it, and would go on meaning the old one'),
  };

const defaultMadeAgain = recreated('set again in the swap, so that it means the new table');

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
  return key.validated
    ? recreated('added NOT VALID in the swap, validated after it')
    : recreated('added in the swap as it was, not validated');
}

function allTables({ kind }: Dependent, { request }: DependentFacts): Fate {
  const what =
    kind === 'publication-all-tables'
      ? 'it publishes the new table while it is built, and the change log: subscribers need tables of these names, or must ignore them'
      : 'it publishes the new table from the swap on, and its subscribers learn of that only by a refresh';
  return request.allowPublicationAll === true
    ? carried(`allowed: ${what}`)
    : refused(what, 'with --allow-publication-all the migration goes on all the same');
}

/** Kinds that `checkRelationKind` names already are not repeated as refusals. */
const namedElsewhere: ReadonlySet<DependentKind> = new Set([
  'partitioned-table',
  'partition',
  'partition-of',
]);

/** With the way by which it depends on the table. */
export function describeDependent({ name, via, extension }: Dependent): string {
  const path = via === null ? '' : ` (through ${via})`;
  return `${name}${path}${extension === null ? '' : ` (of extension ${extension})`}`;
}

/** Where nothing could be tried. */
export function untriedDependents(dependents: readonly Dependent[]): PlannedDependent[] {
  return dependents.map((dependent) => ({
    kind: dependent.kind,
    name: describeDependent(dependent),
    treatment: 'refused',
    why: 'nothing was tried, since the change is refused',
  }));
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
  return dependents.map((dependent) => {
    const [treatment, why] = taken.has(dependent.oid)
      ? (['recreated', 'taken off before the change and put back after it, in the same transaction'] as const)
      : ([
          'carried',
          isUntried(dependent, native)
            ? 'the table stays the same; PostgreSQL checks it when the change runs'
            : 'the table stays the same, and the change was tried with it',
        ] as const);
    return { kind: dependent.kind, name: describeDependent(dependent), treatment, why };
  });
}
