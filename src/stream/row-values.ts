/** The values of a row as the table that follows will have it. Pure. */
import type { TableShape } from '../model/table-shape.js';
import type { ProjectedColumn, Projection } from '../model/projection.js';
import { onAnyPath, typeOnAnyPath } from '../sql/any-path.js';
import { projectedColumns } from '../sql/projection-sql.js';
import { ident } from '../sql/quote.js';

/**
 * The projection leaves conversions of a plain ALTER TYPE to INSERT; comparing has to make them itself. Generated columns can
 * be unique too, and are computed only when the row is in.
 */
export function rowValues(projection: Projection, to: TableShape): ProjectedColumn[] {
  const given = new Set(projectedColumns(projection));
  return to.columns.map(({ name, type, generated, default: expression }) => {
    if (given.has(name)) return { name, expression: `${ident(name)}::${typeOnAnyPath(type)}` };
    // Anything else that is not given gets its default, which no row of `from` can ask for.
    return {
      name,
      expression:
        generated === 'none' || expression === null
          ? `null::${typeOnAnyPath(type)}`
          : `(${onAnyPath(expression)})`,
    };
  });
}
