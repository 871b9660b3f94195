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

export function shapeIntruders(expected: TableShape, actual: TableShape): Intruder[] {
  return compareShapes(essence(expected), essence(actual)).map((difference) => ({
    what: difference.text,
    remove: remedy(difference, expected, actual),
  }));
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
  const { object, property } = difference;
  const name = qualified(actual.name);
  const alter = (action: string): string[] => [`alter table ${name} ${action}`];
  const isExtra = property === null && difference.expected === null;
  const extra = <T extends { readonly name: string }>(kind: string, list: readonly T[]): string | undefined =>
    isExtra ? list.find((each) => object === `${kind} "${each.name}"`)?.name : undefined;

  const column = extra('column', actual.columns);
  if (column !== undefined) return alter(`drop column ${ident(column)}`);
  const constraint = extra('constraint', actual.constraints);
  if (constraint !== undefined) return alter(`drop constraint ${ident(constraint)}`);
  const index = extra('index', actual.indexes);
  if (index !== undefined) return [`drop index ${qualified({ schema: actual.name.schema, name: index })}`];
  if (isExtra) {
    return actual.statistics
      .filter((each) => object === `statistics "${displayName({ schema: '', name: each.name.name })}"`)
      .map((each) => `drop statistics ${qualified(each.name)}`);
  }
  if (property === 'grants' && (object === 'table' || object.startsWith('column '))) {
    return grantStatements({
      kind: 'table',
      name: actual.name,
      owner: expected.owner,
      grants: expected.grants,
      columnGrants: expected.columns.map((each) => ({ column: each.name, grants: each.grants })),
    });
  }
  if (property === 'comment' && object.startsWith('column ')) {
    const commented = expected.columns.filter((each) => object === `column "${each.name}"`);
    return [
      ...commented.map((each) => `comment on column ${name}.${ident(each.name)} is null`),
      ...columnComments({ ...expected, columns: commented }, actual.name),
    ];
  }
  if (object !== 'table') return [];
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

function optionActions(expected: readonly string[], actual: readonly string[]): string[] {
  const wanted = new Set(expected.map((option) => splitOption(option).name));
  const extra = actual.map((option) => splitOption(option).name).filter((name) => !wanted.has(name));
  return [
    ...(extra.length === 0 ? [] : [`reset (${extra.map(optionName).join(', ')})`]),
    ...(expected.length === 0 ? [] : [`set (${optionList(expected)})`]),
  ];
}
