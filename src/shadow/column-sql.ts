/** Columns of the clone. */
import type { Column, OwnedSequence, TableShape } from '../catalog/types.js';
import { ident, literal, qualified, sql, type QualifiedName } from '../sql/quote.js';
import { optionList } from '../ddl/option-sql.js';

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
    const options = sequence === undefined ? '' : ` (${sequenceOptions(sequence, schema)})`;
    return [`generated ${column.identity} as identity${options}`];
  }
  if (column.default === null) return [];
  // A serial's default goes on naming the source's sequence: both tables draw from one until the swap.
  if (column.generated === 'none') return [`default ${column.default}`];
  return [`generated always as (${column.default}) ${column.generated}`];
}

/** The type is always the column's. */
export function sequenceOptions(sequence: OwnedSequence, schema: string): string {
  return [
    `sequence name ${qualified({ schema, name: sequence.name.name })}`,
    `start with ${sequence.start}`,
    `increment by ${sequence.increment}`,
    `minvalue ${sequence.min}`,
    `maxvalue ${sequence.max}`,
    `cache ${sequence.cache}`,
    sequence.cycle ? 'cycle' : 'no cycle',
  ].join(' ');
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
