/** Rows of the table as it is, there and back: made rows of the new table in the query, and rows of the old one again. Pure. */
import type { CopyFacts } from '../../model/plan.js';
import type { Projection } from '../../model/projection.js';
import type { Index, TableShape } from '../../model/table-shape.js';
import type { Inverse } from '../../model/way-back.js';
import { rowValues } from '../../stream/row-values.js';
import { projectionSql } from '../../sql/projection-sql.js';
import { ident, literal, qualified, sql, type SqlQuery } from '../../sql/quote.js';
import { sampleEnds } from '../checks/sample.js';

export interface RoundTripInput extends Pick<CopyFacts, 'source' | 'target' | 'projection'> {
  readonly way: Inverse;
  /** Columns of the source that are compared. */
  readonly compared: readonly string[];
  /** Of the source. */
  readonly blocks: number;
}

/** So many of each column. */
const examplesShown = 3;

/** `column`, and a value `before` and `after`, where these differ. */
export function roundTripSql(input: RoundTripInput): SqlQuery {
  const { source, way, compared } = input;
  const alias = ident(way.projection.alias);
  const back = rowValues(way.projection, source);
  const returned = projectionSql(passing(way.projection, input, passedAs), {
    from: `(\n${thereSql(input)}\n)`,
  });
  const pairs = compared.map((name) => {
    const value = back.find((column) => column.name === name)?.expression ?? 'null';
    return `(${literal(name)}, ${alias}.${passedAs(name, input)}::pg_catalog.text, (${value})::pg_catalog.text)`;
  });
  return {
    text: sql`
      select "column", before, after
      from (
      select c.*, pg_catalog.row_number() over (partition by c."column") as n
      from (
      ${returned}
      ) as ${alias}
      cross join lateral (values ${pairs.join(', ')}) as c ("column", before, after)
      where c.before is distinct from c.after
      ) as different
      where n OPERATOR(pg_catalog.<=) ${String(examplesShown)}`,
    values: sampleEnds(input.blocks),
  };
}

/** The way there alone: what fails in it is no fault of the way back. */
export function wayThereSql(input: RoundTripInput): SqlQuery {
  const columns = input.target.columns.map(({ name }) => `t.${ident(name)}`);
  // The values are looked at, or nobody would compute them.
  return {
    text: sql`
      select pg_catalog.count(*) as rows, pg_catalog.count(row(${columns.join(', ')})::pg_catalog.text)
      from (
      ${thereSql(input)}
      ) as t`,
    values: sampleEnds(input.blocks),
  };
}

/** Rows as the new table will have them, and with each what is to be compared. */
function thereSql(input: RoundTripInput): string {
  const { source, target, projection, compared } = input;
  const values = rowValues(projection, target).map(
    ({ name, expression }) => `${expression} as ${ident(name)}`,
  );
  const passed = compared.map((name) => passedAs(name, input));
  const rows = projectionSql(
    passing(projection, input, (name) => ident(name)),
    {
      from: `only ${qualified(source.name)}`,
      where: `ctid OPERATOR(pg_catalog.=) any (array(\n${sampledTids(source, compared)}\n))`,
    },
  );
  return sql`
    select ${[...values, ...passed].join(', ')}
    from (
    ${rows}
    ) as ${ident(projection.alias)}`;
}

/** The projection, with the source's values under names that no column has. @param first what they are in the first layer */
function passing(
  projection: Projection,
  input: RoundTripInput,
  first: (name: string, input: RoundTripInput) => string,
): Projection {
  const layers = projection.layers.map((layer, index) => [
    ...layer,
    ...input.compared.map((name) => ({
      name: passedName(name, input),
      expression: index === 0 ? first(name, input) : passedAs(name, input),
    })),
  ]);
  return { ...projection, layers };
}

function passedName(name: string, { compared }: RoundTripInput): string {
  return `ghost_before_${compared.indexOf(name) + 1}`;
}

function passedAs(name: string, input: RoundTripInput): string {
  return ident(passedName(name, input));
}

/** Of the first and last blocks, and where an index tells them the rows with the least and the greatest value. */
function sampledTids(source: TableShape, compared: readonly string[]): string {
  const table = `only ${qualified(source.name)}`;
  const extremes = compared
    .filter((name) => source.indexes.some((index) => leads(index, name)))
    .flatMap((name) =>
      ['asc', 'desc'].map(
        (direction) =>
          `(select ctid from ${table} where ${ident(name)} is not null order by ${ident(name)} ${direction} limit 1)`,
      ),
    );
  return [
    `select ctid from ${table} where ctid OPERATOR(pg_catalog.<) $1::pg_catalog.tid`,
    `select ctid from ${table} where ctid OPERATOR(pg_catalog.>=) $2::pg_catalog.tid`,
    ...extremes,
  ].join('\nunion all\n');
}

/** A btree, by all that is known here, which answers without reading the table. */
function leads({ keys, valid, predicate, definition }: Index, column: string): boolean {
  return valid && predicate === null && keys[0]?.column === column && / USING btree /.test(definition);
}
