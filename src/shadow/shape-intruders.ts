/**
 * Where a table that we have just built differs from what it was built from, and what takes that back. By what an event
 * trigger can have added or altered, not by texts: those name the table, which has another name here.
 */
import type { Intruder } from '../catalog/intruders.js';
import type { TableShape } from '../model/table-shape.js';
import { grantStatements } from '../ddl/grant-sql.js';
import { optionList, optionName, splitOption } from '../ddl/option-sql.js';
import { displayName, ident, literal, qualified } from '../sql/quote.js';
import { columnComments } from '../ddl/column-sql.js';
import { compareShapes, type Difference } from '../ddl/compare-shapes.js';

/** But for another owner: `readIntruders` has it already, with what to do about it. */
export function shapeIntruders(expected: TableShape, actual: TableShape): Intruder[] {
  return compareShapes(essence(expected), essence(actual))
    .filter(({ part, property }) => !(part === 'table' && property === 'owner'))
    .map((difference) => ({ what: difference.text, remove: remedy(difference, expected, actual) }));
}

/** Without texts, and without the schema. */
function essence(shape: TableShape): TableShape {
  return {
    ...shape,
    name: { schema: '', name: shape.name.name },
    columns: shape.columns.map((column) => ({ ...column, type: '', default: null, collation: null })),
    constraints: shape.constraints.map((constraint) => ({ ...constraint, definition: '' })),
    indexes: shape.indexes.map((index) => ({ ...index, definition: '', predicate: null, keys: [] })),
    sequences: shape.sequences
      .filter(({ identity }) => identity)
      .map((sequence) => ({ ...sequence, name: { schema: '', name: sequence.name.name } })),
    statistics: shape.statistics.map((each) => ({
      ...each,
      name: { schema: '', name: each.name.name },
      definition: '',
    })),
  };
}

function remedy(difference: Difference, expected: TableShape, actual: TableShape): string[] {
  const { part, property } = difference;
  const name = qualified(actual.name);
  const alter = (action: string): string[] => [`alter table ${name} ${action}`];
  if (property === null) return difference.expected === null ? withoutExtra(difference, actual) : [];
  if (property === 'grants' && (part === 'table' || part === 'column')) {
    return grantStatements({
      kind: 'table',
      name: actual.name,
      owner: expected.owner,
      grants: expected.grants,
      columnGrants: expected.columns.map((each) => ({ column: each.name, grants: each.grants })),
    });
  }
  if (property === 'comment' && part === 'column') {
    const commented = expected.columns.filter((each) => each.name === difference.name);
    return [
      ...commented.map((each) => `comment on column ${name}.${ident(each.name)} is null`),
      ...columnComments({ ...expected, columns: commented }, actual.name),
    ];
  }
  if (part !== 'table') return [];
  switch (property) {
    case 'comment':
      return [
        `comment on table ${name} is ${expected.comment === null ? 'null' : literal(expected.comment)}`,
      ];
    case 'replicaIdentity':
      return expected.replicaIdentity === 'index'
        ? []
        : alter(`replica identity ${expected.replicaIdentity}`);
    case 'unlogged':
      return alter(expected.unlogged ? 'set unlogged' : 'set logged');
    case 'options':
      return optionActions(expected.options, actual.options).flatMap(alter);
    default:
      return [];
  }
}

function withoutExtra({ part, name }: Difference, actual: TableShape): string[] {
  if (name === null) return [];
  const table = qualified(actual.name);
  switch (part) {
    case 'column':
      return [`alter table ${table} drop column ${ident(name)}`];
    case 'constraint':
      return [`alter table ${table} drop constraint ${ident(name)}`];
    case 'index':
      return [`drop index ${qualified({ schema: actual.name.schema, name })}`];
    case 'statistics':
      return actual.statistics
        .filter((each) => name === displayName({ schema: '', name: each.name.name }))
        .map((each) => `drop statistics ${qualified(each.name)}`);
    default:
      return [];
  }
}

function optionActions(expected: readonly string[], actual: readonly string[]): string[] {
  const wanted = new Set(expected.map((option) => splitOption(option).name));
  const extra = actual.map((option) => splitOption(option).name).filter((name) => !wanted.has(name));
  return [
    ...(extra.length === 0 ? [] : [`reset (${extra.map(optionName).join(', ')})`]),
    ...(expected.length === 0 ? [] : [`set (${optionList(expected)})`]),
  ];
}
