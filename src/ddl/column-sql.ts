/** Columns of the clone. */
import type { Column, TableShape } from '../model/table-shape.js';
import { ident, literal, qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { optionList } from './option-sql.js';
import { cloneMoves, ownMoves, selfNamingDefaults } from './own-names.js';
import { sequenceOptions } from './serial-sequences.js';
import { namesAny, retargetExpression } from '../sql/retarget-names.js';

/** What stands in CREATE TABLE for one column. */
export function columnDefinition(column: Column, shape: TableShape, schema: string): string {
  return [
    ident(column.name),
    column.type,
    ...(column.collation === null ? [] : [`collate ${column.collation}`]),
    ...valueClause(column, shape, schema),
    // Since 18 a NOT NULL is a constraint with a name, and comes with the other constraints.
    ...(column.notNull && !hasNotNullConstraint(column, shape) ? ['not null'] : []),
  ].join(' ');
}

function hasNotNullConstraint(column: Column, shape: TableShape): boolean {
  return shape.constraints.some(({ type, columns }) => type === 'not null' && columns.includes(column.name));
}

function valueClause(column: Column, shape: TableShape, schema: string): string[] {
  if (column.identity !== 'none') {
    const sequence = shape.sequences.find((each) => each.identity && each.column === column.name);
    const options =
      sequence === undefined
        ? ''
        : ` (sequence name ${qualified({ schema, name: sequence.name.name })} ${sequenceOptions(sequence)})`;
    return [`generated ${column.identity} as identity${options}`];
  }
  if (column.default === null) return [];
  if (column.generated === 'none') {
    // One that names the table or its parts has to wait for them: `ownDefaults`.
    return namesAny(column.default, cloneMoves(shape, schema)) ? [] : [`default ${column.default}`];
  }
  return [
    `generated always as (${retargetExpression(column.default, ownMoves(shape, schema))}) ${column.generated}`,
  ];
}

/** Those that name the table or its parts, once all of these are there. */
export function ownDefaults(shape: TableShape, table: QualifiedName): string[] {
  const moves = cloneMoves(shape, table.schema);
  return selfNamingDefaults(shape, moves).map(
    (column) =>
      `alter table ${qualified(table)} alter column ${ident(column.name)} set default ${retargetExpression(column.default, moves)}`,
  );
}

/** What CREATE TABLE has no words for (in every version). */
export function columnSettings(shape: TableShape, table: QualifiedName): string[] {
  const actions = shape.columns.flatMap((column) => {
    const alter = `alter column ${ident(column.name)} set`;
    return [
      `${alter} storage ${column.storage.toLowerCase()}`,
      ...(column.compression === null ? [] : [`${alter} compression ${column.compression}`]),
      ...(column.statisticsTarget === null ? [] : [`${alter} statistics ${column.statisticsTarget}`]),
      ...(column.options.length === 0 ? [] : [`${alter} (${optionList(column.options)})`]),
    ];
  });
  if (actions.length === 0) return [];
  return [
    sql`
      alter table ${qualified(table)}
        ${actions.join(',\n  ')}`,
  ];
}

export function columnComments(shape: TableShape, table: QualifiedName): string[] {
  return shape.columns.flatMap(({ name, comment }) =>
    comment === null ? [] : [`comment on column ${qualified(table)}.${ident(name)} is ${literal(comment)}`],
  );
}
