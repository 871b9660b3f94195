/**
 * Between `prepare` and `index` the shadow is a bare heap: chunks go in without touching an index (design.md, section
 * 4), a row may be there twice until the purge, and nothing rejects a row that the source has.
 */
import type { TableShape } from '../model/table-shape.js';
import { ident, qualified } from '../sql/quote.js';
import { indexMoves, selfNamingDefaults } from './own-names.js';
import {
  addConstraint,
  constraintComment,
  dropConstraint,
  isIndexBacked,
  isUnvalidated,
} from './constraint-sql.js';
import { optionList, optionName, splitOption } from './option-sql.js';

/**
 * Off for the table and its TOAST table: vacuuming a table that is being filled is work for nothing, and an ANALYZE
 * of half the rows plans badly. The migration vacuums by itself before the swap.
 */
export const autovacuumOff: readonly string[] = [
  'autovacuum_enabled=false',
  'toast.autovacuum_enabled=false',
];
const autovacuumOptions = autovacuumOff.map((option) => splitOption(option).name);

/** From the freshly changed clone to the heap for the copy. */
export function bareHeapStatements(target: TableShape, schema: string): string[] {
  const table = { schema, name: target.name.name };
  const dropped = target.constraints.filter(
    // A foreign key waits for the swap (invariant 14).
    (constraint) =>
      isIndexBacked(constraint) || isUnvalidated(constraint) || constraint.type === 'foreign key',
  );
  const ofIndexes = selfNamingDefaults(target, indexMoves(target, ''));
  const plainIndexes = target.indexes.filter(({ constraint }) => constraint === null);
  return [
    // They come again with the indexes that they name.
    ...ofIndexes.map(
      ({ name }) => `alter table ${qualified(table)} alter column ${ident(name)} drop default`,
    ),
    // Before the primary key: a key of the table itself depends on it.
    ...dropped
      .filter(({ type }) => type === 'foreign key')
      .map((constraint) => dropConstraint(table, constraint)),
    ...dropped
      .filter(({ type }) => type !== 'foreign key')
      .map((constraint) => dropConstraint(table, constraint)),
    ...plainIndexes.map(({ name }) => `drop index ${qualified({ schema, name })}`),
    `alter table ${qualified(table)} set (${optionList(autovacuumOff)})`,
  ];
}

/** In the swap, when the old rows are in: NOT VALID as they were, so no row is read. */
export function unvalidatedConstraintStatements(target: TableShape, schema: string): string[] {
  const table = { schema, name: target.name.name };
  return target.constraints
    .filter(isUnvalidated)
    .flatMap((constraint) => [addConstraint(table, constraint), ...constraintComment(table, constraint)]);
}

/** Autovacuum as the target has it. Takes SHARE UPDATE EXCLUSIVE only. */
export function autovacuumRestoreStatements(target: TableShape, schema: string): string[] {
  const table = qualified({ schema, name: target.name.name });
  const kept = target.options.filter((option) => autovacuumOptions.includes(splitOption(option).name));
  const keptNames = kept.map((option) => splitOption(option).name);
  const reset = autovacuumOptions.filter((name) => !keptNames.includes(name));
  return [
    ...(reset.length === 0 ? [] : [`alter table ${table} reset (${reset.map(optionName).join(', ')})`]),
    ...(kept.length === 0 ? [] : [`alter table ${table} set (${optionList(kept)})`]),
  ];
}
