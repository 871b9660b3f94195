/**
 * The names of a table and of its parts. An expression can hold them as constants (`'app.orders'::regclass`, the row type,
 * `'app.orders_id_seq'::regclass`), and PostgreSQL keeps those as OIDs: in a copy of the table they would go on meaning the
 * table that they were read from.
 */
import type { Column, TableShape } from '../model/table-shape.js';
import { namesAny, type NameMove } from '../sql/retarget-names.js';

type Named = Pick<TableShape, 'name' | 'indexes' | 'sequences'>;

/**
 * From the table and those of its parts that a copy has anew to the copy's. A serial's sequence is not among them: it is
 * shared until the swap, and stays the same object.
 *
 * @param to the copy's schema
 */
export function ownMoves(shape: Named, to: string): NameMove[] {
  return [{ from: shape.name, to: { schema: to, name: shape.name.name } }, ...partMoves(shape, to)];
}

/** Without the table. */
export function partMoves(shape: Named, to: string): NameMove[] {
  return [
    ...indexMoves(shape, to),
    ...shape.sequences
      .filter(({ identity }) => identity)
      .map(({ name }): NameMove => ({ from: name, to: { schema: to, name: name.name }, hasNoType: true })),
  ];
}

export function indexMoves({ name: { schema }, indexes }: Named, to: string): NameMove[] {
  return indexes.map(({ name }) => ({
    from: { schema, name },
    to: { schema: to, name },
    hasNoType: true,
  }));
}

export function serialMoves({ sequences }: Pick<TableShape, 'sequences'>, to: string): NameMove[] {
  return sequences
    .filter(({ identity }) => !identity)
    .map(({ name }) => ({ from: name, to: { schema: to, name: name.name }, hasNoType: true }));
}

/** With the copies that a clone has of serials' sequences, for its defaults alone: PostgreSQL makes the change on these. */
export function cloneMoves(shape: Named, to: string): NameMove[] {
  return [...ownMoves(shape, to), ...serialMoves(shape, to)];
}

/** Columns whose default names the table or a part of it. */
export function selfNamingDefaults(
  { columns }: Pick<TableShape, 'columns'>,
  moves: readonly NameMove[],
): (Column & { readonly default: string })[] {
  return columns.filter(
    (column): column is Column & { readonly default: string } =>
      column.generated === 'none' && column.default !== null && namesAny(column.default, moves),
  );
}
