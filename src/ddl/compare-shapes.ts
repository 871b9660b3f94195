/**
 * The gate before the swap (invariant 10): is the table what it should be, in every property that the catalog has?
 * OIDs, filenodes and the gaps that dropped columns leave in the numbering do not count.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  Column,
  Constraint,
  ExtendedStatistics,
  Grant,
  Index,
  OwnedSequence,
  TableShape,
} from '../model/table-shape.js';
import { displayName } from '../sql/quote.js';
import { autovacuumOff } from './bare-heap-sql.js';
import { isUnvalidated } from './constraint-sql.js';
import { splitOption } from './option-sql.js';

/** What of a table differs. */
type Part = 'table' | 'column' | 'constraint' | 'index' | 'statistics' | 'sequence';

export interface Difference {
  readonly part: Part;
  /** Of the column, index ...; null for the table itself. */
  readonly name: string | null;
  /** `definition`, `grants`, or null when the whole object is missing or too much. */
  readonly property: string | null;
  readonly expected: unknown;
  readonly actual: unknown;
  /** All of it as one line: `index "orders_total_idx": definition: expected ..., is ...`. */
  readonly text: string;
}

/** Empty when they are the same. */
export function compareShapes(expected: TableShape, actual: TableShape): Difference[] {
  return [
    ...compareFacts({ part: 'table', name: null }, tableFacts(expected), tableFacts(actual)),
    ...compareNamed('column', expected.columns, actual.columns, columnFacts),
    ...compareNamed('constraint', expected.constraints, actual.constraints, constraintFacts),
    ...compareNamed('index', expected.indexes, actual.indexes, indexFacts),
    ...compareNamed('statistics', statisticsByName(expected), statisticsByName(actual), statisticsFacts),
    ...compareNamed('sequence', sequencesByName(expected), sequencesByName(actual), sequenceFacts),
  ];
}

export interface ShadowExceptions {
  /** Indexes of our own on the shadow, which go in the swap. */
  readonly ownIndexes?: readonly string[];
}

/**
 * Is the shadow what it must be just before the swap? That is the target, but for autovacuum, which is still off, and
 * the NOT VALID constraints and foreign keys that the swap adds. Indexes that were not valid are not carried.
 */
export function compareBeforeSwap(
  target: TableShape,
  shadow: TableShape,
  { ownIndexes = [] }: ShadowExceptions = {},
): Difference[] {
  return compareShapes(
    { ...withoutSwapWork(target), indexes: target.indexes.filter(({ valid }) => valid) },
    { ...withoutSwapWork(shadow), indexes: shadow.indexes.filter(({ name }) => !ownIndexes.includes(name)) },
  );
}

/** Without what the copy has otherwise, and the swap puts right. */
export function withoutSwapWork(shape: TableShape): TableShape {
  const switches = autovacuumOff.map((option) => splitOption(option).name);
  const unproven = shape.constraints.filter(
    (constraint) => constraint.type === 'not null' && isUnvalidated(constraint),
  );
  return {
    ...shape,
    columns: shape.columns.map((column) =>
      unproven.some(({ columns }) => columns.includes(column.name)) ? { ...column, notNull: false } : column,
    ),
    options: shape.options.filter((option) => !switches.includes(splitOption(option).name)),
    constraints: shape.constraints.filter(
      (constraint) => !isUnvalidated(constraint) && constraint.type !== 'foreign key',
    ),
  };
}

/** What is compared of an object, by property. */
type Facts = Readonly<Record<string, unknown>>;

function tableFacts(shape: TableShape): Facts {
  const { owner, unlogged, accessMethod, tablespace, options, replicaIdentity, grants, comment } = shape;
  return {
    name: displayName(shape.name),
    columns: shape.columns.map(({ name }) => name),
    owner,
    unlogged,
    accessMethod,
    tablespace,
    replicaIdentity,
    comment,
    options: options.toSorted(),
    grants: grantFacts(grants),
  };
}

function columnFacts(column: Column): Facts {
  const { attnum: _, name: _name, typeOid: _type, typmod: _typmod, grants, options, ...rest } = column;
  return { ...rest, options: options.toSorted(), grants: grantFacts(grants) };
}

function constraintFacts({ oid: _, name: _name, ...rest }: Constraint): Facts {
  return rest;
}

function indexFacts({ oid: _, name: _name, filenode: _file, options, ...rest }: Index): Facts {
  return { ...rest, options: options.toSorted() };
}

function sequenceFacts({
  sequence: { oid: _, name: _name, grants, startsAt: _start, ...rest },
}: NamedSequence): Facts {
  return { ...rest, grants: grantFacts(grants) };
}

function statisticsByName(shape: TableShape): NamedStatistics[] {
  return shape.statistics.map((statistics) => ({ name: displayName(statistics.name), statistics }));
}

interface NamedStatistics {
  readonly name: string;
  readonly statistics: ExtendedStatistics;
}

function statisticsFacts({ statistics: { oid: _, name: _name, ...rest } }: NamedStatistics): Facts {
  return rest;
}

interface NamedSequence {
  readonly name: string;
  readonly sequence: OwnedSequence;
}

function sequencesByName(shape: TableShape): NamedSequence[] {
  return shape.sequences.map((sequence) => ({ name: displayName(sequence.name), sequence }));
}

function grantFacts(grants: readonly Grant[]): string[] {
  return grants
    .map(({ grantor, grantee, privilege, grantable }) => {
      const option = grantable ? ' with grant option' : '';
      return `${privilege} to ${grantee ?? 'public'}${option} by ${grantor}`;
    })
    .toSorted();
}

type Place = Pick<Difference, 'part' | 'name'>;

function compareNamed<T extends { readonly name: string }>(
  part: Part,
  expected: readonly T[],
  actual: readonly T[],
  facts: (item: T) => Facts,
): Difference[] {
  const actualByName = new Map(actual.map((item) => [item.name, item]));
  const expectedNames = new Set(expected.map(({ name }) => name));
  return [
    ...expected.flatMap((item) => {
      const place = { part, name: item.name };
      const counterpart = actualByName.get(item.name);
      return counterpart === undefined
        ? [
            {
              ...place,
              property: null,
              expected: facts(item),
              actual: null,
              text: `${placeText(place)} is missing`,
            },
          ]
        : compareFacts(place, facts(item), facts(counterpart));
    }),
    ...actual
      .filter(({ name }) => !expectedNames.has(name))
      .map((item) => {
        const place = { part, name: item.name };
        return {
          ...place,
          property: null,
          expected: null,
          actual: facts(item),
          text: `${placeText(place)} is not expected`,
        };
      }),
  ];
}

function compareFacts(place: Place, expected: Facts, actual: Facts): Difference[] {
  return Object.keys(expected).flatMap((property) => {
    const [wanted, found] = [expected[property], actual[property]];
    if (isDeepStrictEqual(wanted, found)) return [];
    const text = `${placeText(place)}: ${property}: expected ${shown(wanted)}, is ${shown(found)}`;
    return [{ ...place, property, expected: wanted, actual: found, text }];
  });
}

function placeText({ part, name }: Place): string {
  return name === null ? part : `${part} "${name}"`;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
