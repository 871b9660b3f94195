/**
 * From the shadow as it is to another wanted shape: for DDL that somebody runs on the source while its rows are copied. Only
 * what touches no row: columns, their order and their types are the same in both. Pure; whoever runs it compares
 * afterwards, so what is forgotten here is found there.
 */
import type {
  Column,
  Constraint,
  ExtendedStatistics,
  OwnedSequence,
  TableShape,
} from '../model/table-shape.js';
import { grantStatements } from './grant-sql.js';
import { ownMoves } from './own-names.js';
import { optionChanges, splitOption } from './option-sql.js';
import { sequenceOptions } from './serial-sequences.js';
import { createStatistics } from './statistics-sql.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { adjustIndexes, type IndexAdjustments } from './adjust-indexes-sql.js';
import { autovacuumOff } from './bare-heap-sql.js';
import {
  addConstraint,
  constraintComment,
  dropConstraint,
  isRowConstraint,
  isUnvalidated,
} from './constraint-sql.js';
import { compareShapes } from './compare-shapes.js';

export interface AdjustFacts {
  readonly now: TableShape;
  readonly wanted: TableShape;
  /** Of the shadow. */
  readonly schema: string;
  /** Indexes of our own, which are left alone. */
  readonly ownIndexes: readonly string[];
}

export interface Adjustments {
  /** Builds: nobody but apply is kept out meanwhile. */
  readonly builds: readonly string[];
  readonly statements: readonly string[];
  /** Evaluate the user's expressions over rows: under the user's settings. */
  readonly validations: readonly string[];
  /** Rows that wait in the log may break what is new: they have to leave the shadow before. */
  readonly tightens: boolean;
}

/**
 * What a heap that is being filled must have before the next chunk: nothing that rejects a row which the source may hold. What is new
 * and stricter waits for the purge, when every row left is as the source has it.
 */
export function loosenStatements({ now, wanted, schema }: Omit<AdjustFacts, 'ownIndexes'>): string[] {
  const table = { schema, name: now.name.name };
  return [
    ...constraintChanges(now, wanted, table).before,
    ...now.columns.flatMap((column) => {
      const next = columnOf(wanted, column.name);
      return next === undefined || next.notNull || !isPlainNotNull(column, now)
        ? []
        : [`alter table ${qualified(table)} alter column ${ident(column.name)} drop not null`];
    }),
  ];
}

export function adjustments({ now, wanted, schema, ownIndexes }: AdjustFacts): Adjustments {
  const table = { schema, name: now.name.name };
  const rows = constraintChanges(now, wanted, table);
  const indexes: IndexAdjustments = adjustIndexes({ now, wanted, table, ownIndexes });
  const strict = wanted.columns.filter((column) => becomesNotNull(column, now, wanted));
  const statistics = statisticsChanges(now, wanted, table);
  return {
    builds: indexes.builds,
    statements: [
      ...ownership(now, wanted, table),
      ...tableSettings(now, wanted, table),
      ...rows.before,
      ...indexes.statements,
      ...rows.after,
      ...now.columns.flatMap((column) => columnChanges(column, now, wanted, table)),
      ...sequenceChanges(now, wanted, table),
      ...statistics,
      ...(indexes.needAnalyze || statistics.length > 0 ? [`analyze ${qualified(table)}`] : []),
    ],
    validations: rows.validations,
    tightens: indexes.tightens || rows.after.length > 0 || strict.length > 0,
  };
}

/** Grants go with the owner: their grantor is the owner's name. */
function ownership(now: TableShape, wanted: TableShape, table: QualifiedName): string[] {
  const differs = (property: string): boolean => differencesIn(now, wanted).has(property);
  if (!differs('table owner') && !differs('table grants') && !differs('column grants')) return [];
  const { owner, grants } = wanted;
  return [
    `grant usage, create on schema ${ident(table.schema)} to ${ident(owner)}`,
    ...(now.owner === owner ? [] : [`alter table ${qualified(table)} owner to ${ident(owner)}`]),
    ...grantStatements({
      kind: 'table',
      name: table,
      owner,
      grants,
      columnGrants: wanted.columns.map((column) => ({ column: column.name, grants: column.grants })),
    }),
  ];
}

function differencesIn(now: TableShape, wanted: TableShape): Set<string> {
  return new Set(compareShapes(wanted, now).map(({ part, property }) => `${part} ${property}`));
}

function tableSettings(now: TableShape, wanted: TableShape, table: QualifiedName): string[] {
  const name = qualified(table);
  const [had, has] = [withoutSwitches(now.options), withoutSwitches(wanted.options)];
  return [
    ...(now.unlogged === wanted.unlogged
      ? []
      : [`alter table ${name} set ${wanted.unlogged ? 'unlogged' : 'logged'}`]),
    ...(now.accessMethod === wanted.accessMethod
      ? []
      : [`alter table ${name} set access method ${ident(wanted.accessMethod)}`]),
    ...(now.tablespace === wanted.tablespace
      ? []
      : [`alter table ${name} set tablespace ${ident(wanted.tablespace ?? 'pg_default')}`]),
    ...optionChanges(`alter table ${name}`, had, has),
    ...(now.comment === wanted.comment ? [] : [`comment on table ${name} is ${text(wanted.comment)}`]),
  ];
}

/** Off on the shadow until the swap, whatever the source has. */
function withoutSwitches(options: readonly string[]): string[] {
  const switches = autovacuumOff.map((option) => splitOption(option).name);
  return options.filter((option) => !switches.includes(splitOption(option).name));
}

function text(comment: string | null): string {
  return comment === null ? 'null' : literal(comment);
}

interface ConstraintChanges {
  /** Renamed and dropped. */
  readonly before: readonly string[];
  /** Added, and comments. */
  readonly after: readonly string[];
  readonly validations: readonly string[];
}

/** CHECK and NOT NULL; what was not validated comes in the swap. */
function constraintChanges(now: TableShape, wanted: TableShape, table: QualifiedName): ConstraintChanges {
  const having = now.constraints.filter(isRowConstraint);
  const wanting = wanted.constraints.filter((each) => isRowConstraint(each) && !isUnvalidated(each));
  const extra = having.filter((each) => !wanting.some((other) => isSame(each, other)));
  const missing = wanting.filter((each) => !having.some((other) => isSame(each, other)));
  const renamed = missing.flatMap((to) => {
    const at = extra.findIndex((each) => isSame({ ...each, name: to.name }, to));
    const [from] = at < 0 ? [] : extra.splice(at, 1);
    return from === undefined ? [] : [{ from, to }];
  });
  const added = missing.filter((each) => !renamed.some(({ to }) => to === each));
  const kept = wanting.flatMap((each) => {
    const before = renamed.find(({ to }) => to === each)?.from ?? having.find((other) => isSame(each, other));
    return before === undefined || before.comment === each.comment ? [] : [each];
  });
  return {
    before: [...extra.map((each) => dropConstraint(table, each)), ...renameConstraints(table, renamed)],
    after: [
      ...added.flatMap((each) => [
        isEvaluated(each)
          ? addConstraint(table, { ...each, definition: `${each.definition} not valid` })
          : addConstraint(table, each),
        ...constraintComment(table, each),
      ]),
      ...kept.map(
        ({ name, comment }) =>
          `comment on constraint ${ident(name)} on ${qualified(table)} is ${text(comment)}`,
      ),
    ],
    validations: added
      .filter(isEvaluated)
      .map(({ name }) => `alter table ${qualified(table)} validate constraint ${ident(name)}`),
  };
}

function isEvaluated({ type, enforced }: Constraint): boolean {
  return type === 'check' && enforced;
}

function isSame(one: Constraint, other: Constraint): boolean {
  return (
    one.name === other.name &&
    one.type === other.type &&
    one.definition === other.definition &&
    one.columns.join() === other.columns.join()
  );
}

/** By way of names that nobody has, since two may exchange theirs. */
function renameConstraints(
  table: QualifiedName,
  renamed: readonly { readonly from: Constraint; readonly to: Constraint }[],
): string[] {
  const rename = (from: string, to: string): string =>
    `alter table ${qualified(table)} rename constraint ${ident(from)} to ${ident(to)}`;
  return [
    ...renamed.map(({ from }, index) => rename(from.name, `ghost_constraint_${index}`)),
    ...renamed.map(({ to }, index) => rename(`ghost_constraint_${index}`, to.name)),
  ];
}

function columnOf(shape: TableShape, name: string): Column | undefined {
  return shape.columns.find((column) => column.name === name);
}

/** NOT NULL that is no constraint with a name (those are of 18). */
function isPlainNotNull({ name, notNull }: Column, { constraints }: TableShape): boolean {
  return notNull && !constraints.some(({ type, columns }) => type === 'not null' && columns.includes(name));
}

function becomesNotNull(column: Column, now: TableShape, wanted: TableShape): boolean {
  return isPlainNotNull(column, wanted) && columnOf(now, column.name)?.notNull === false;
}

function columnChanges(before: Column, now: TableShape, wanted: TableShape, table: QualifiedName): string[] {
  const column = columnOf(wanted, before.name);
  if (column === undefined) return [];
  const alter = `alter table ${qualified(table)} alter column ${ident(column.name)}`;
  const hasDefault = (each: Column): boolean => each.default !== null && each.generated === 'none';
  const dropsNotNull =
    isPlainNotNull(before, now) &&
    !column.notNull &&
    !wanted.constraints.some(({ type, columns }) => type === 'not null' && columns.includes(column.name));
  return [
    ...(before.identity !== 'none' && column.identity === 'none' ? [`${alter} drop identity`] : []),
    ...(hasDefault(before) && !hasDefault(column) ? [`${alter} drop default`] : []),
    ...(becomesNotNull(column, now, wanted) ? [`${alter} set not null`] : []),
    ...(dropsNotNull ? [`${alter} drop not null`] : []),
    ...(hasDefault(column) && column.default !== before.default
      ? [`${alter} set default ${column.default ?? 'null'}`]
      : []),
    ...identityChange(before, column, wanted, table, alter),
    ...(before.storage === column.storage ? [] : [`${alter} set storage ${column.storage.toLowerCase()}`]),
    ...(before.compression === column.compression
      ? []
      : [`${alter} set compression ${column.compression ?? 'default'}`]),
    ...(before.statisticsTarget === column.statisticsTarget
      ? []
      : [`${alter} set statistics ${column.statisticsTarget ?? -1}`]),
    ...optionChanges(alter, before.options, column.options),
    ...(before.comment === column.comment
      ? []
      : [`comment on column ${qualified(table)}.${ident(column.name)} is ${text(column.comment)}`]),
  ];
}

function identityChange(
  before: Column,
  column: Column,
  wanted: TableShape,
  table: QualifiedName,
  alter: string,
): string[] {
  if (column.identity === 'none' || before.identity === column.identity) return [];
  if (before.identity !== 'none') return [`${alter} set generated ${column.identity}`];
  const sequence = identitySequence(wanted, column.name);
  const options =
    sequence === undefined
      ? ''
      : ` (sequence name ${qualified({ schema: table.schema, name: sequence.name.name })} ${sequenceOptions(sequence)})`;
  return [`${alter} add generated ${column.identity} as identity${options}`];
}

function identitySequence({ sequences }: TableShape, column: string): OwnedSequence | undefined {
  return sequences.find((each) => each.identity && each.column === column);
}

/** Of identity columns; where it stands is set in the swap. */
function sequenceChanges(now: TableShape, wanted: TableShape, table: QualifiedName): string[] {
  return wanted.sequences
    .filter(({ identity }) => identity)
    .flatMap((sequence) => {
      const before = identitySequence(now, sequence.column);
      const own = { schema: table.schema, name: sequence.name.name };
      const { start, increment, min, max, cache, cycle, comment, unlogged, owner, grants } = sequence;
      const renamed = before !== undefined && before.name.name !== own.name;
      const name = qualified(own);
      const facts = (each: OwnedSequence | undefined): string =>
        JSON.stringify([each?.start, each?.increment, each?.min, each?.max, each?.cache, each?.cycle]);
      const made = before ?? { ...sequence, comment: null, unlogged: wanted.unlogged, grants: null };
      const sameGrants = JSON.stringify([made.grants, before?.owner]) === JSON.stringify([grants, owner]);
      return [
        ...(renamed
          ? [
              `alter sequence ${qualified({ schema: table.schema, name: before.name.name })} rename to ${ident(own.name)}`,
            ]
          : []),
        ...(before === undefined || facts(before) === facts(sequence)
          ? []
          : [
              `alter sequence ${name} increment by ${increment} minvalue ${min} maxvalue ${max} start with ${start} restart with ${sequence.startsAt ?? start} cache ${cache} ${cycle ? 'cycle' : 'no cycle'}`,
            ]),
        ...(unlogged === null || made.unlogged === unlogged
          ? []
          : [`alter sequence ${name} set ${unlogged ? 'unlogged' : 'logged'}`]),
        ...(made.comment === comment ? [] : [`comment on sequence ${name} is ${text(comment)}`]),
        ...(sameGrants ? [] : grantStatements({ kind: 'sequence', name: own, owner, grants })),
      ];
    });
}

function statisticsChanges(now: TableShape, wanted: TableShape, table: QualifiedName): string[] {
  const facts = ({ definition, owner, target, comment }: ExtendedStatistics): string =>
    JSON.stringify([definition, owner, target, comment]);
  const named = (list: readonly ExtendedStatistics[], name: string): ExtendedStatistics | undefined =>
    list.find((each) => each.name.name === name);
  const isKept = (before: ExtendedStatistics): boolean => {
    const after = named(wanted.statistics, before.name.name);
    return after !== undefined && facts(after) === facts(before);
  };
  return [
    ...now.statistics
      .filter((each) => !isKept(each))
      .map(({ name }) => `drop statistics ${qualified({ schema: table.schema, name: name.name })}`),
    ...wanted.statistics
      .filter((each) => {
        const before = named(now.statistics, each.name.name);
        return before === undefined || !isKept(before);
      })
      .flatMap((each) => createStatistics(each, ownMoves(wanted, table.schema), table)),
  ];
}
