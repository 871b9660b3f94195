/** Turns a `Projection` into SQL. Subqueries this simple are pulled up by the planner: layers cost nothing. */
import type { Projection } from '../model/projection.js';
import { fragment, joined, toText, type SqlFragment, type SqlPart } from './fragment.js';
import { ident } from './quote.js';

export interface RowSource<Part extends SqlPart = SqlPart> {
  /** A from-item without alias: `only "public"."orders"`, or a parenthesised select. */
  readonly from: Part;
  /** A condition on it, which may use `ctid` and the unqualified columns. */
  readonly where?: Part;
}

/** The columns that come out of the projection, in order. */
export function projectedColumns(projection: Projection): string[] {
  return (projection.layers.at(-1) ?? []).map((column) => column.name);
}

/**
 * `select <last layer> from (select <first layer> from <source> as alias where ...) as alias`.
 * Every layer is named like the table, so that expressions may qualify their columns with it.
 */
export function projectionFragment(projection: Projection, source: RowSource): SqlFragment {
  const alias = ident(projection.alias);
  const [first, ...rest] = projection.layers;
  if (first === undefined) throw new Error('a projection has at least one layer');
  const where = source.where === undefined ? [] : ['\nwhere ', source.where];
  const innermost = joined([`select ${columnList(first)}\nfrom `, source.from, ` as ${alias}`, ...where], '');
  return rest.reduce(
    (inner, layer) => fragment`
      select ${columnList(layer)}
      from (
      ${inner}
      ) as ${alias}`,
    innermost,
  );
}

/** The same, of parts without parameters. */
export function projectionSql(projection: Projection, source: RowSource<string>): string {
  return toText(projectionFragment(projection, source));
}

function columnList(layer: readonly { name: string; expression: string }[]): string {
  return layer.map((column) => `${column.expression} as ${ident(column.name)}`).join(', ');
}
