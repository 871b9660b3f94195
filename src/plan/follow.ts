/**
 * DDL beside a run: may the plan that was made anew for the table as it is now stand in the place of the one that the rows were
 * copied by? It may when no row would have been copied otherwise. Pure.
 */
import type { Column, TableShape } from '../model/table-shape.js';
import { displayName } from '../sql/quote.js';
import { targetInSchema } from './trial/target-in-schema.js';
import type { ColumnMapping } from '../model/column-mapping.js';
import type { CopyPlan, Plan } from '../model/plan.js';
import type { Key } from '../model/key.js';
import type { WayBack } from '../model/way-back.js';

/** The new plan, with what the copy has fixed for good; or why it cannot be followed, for people. */
export type Followed =
  | { readonly plan: CopyPlan; readonly reasons: null }
  | { readonly plan: null; readonly reasons: readonly string[] };

export function follow(former: CopyPlan, now: Plan): Followed {
  const table = displayName(former.source.name);
  if (now.source === null) return refused(now.reasons.map(({ message }) => message));
  if (displayName(now.source.name) !== table)
    return refused([`${table} is ${displayName(now.source.name)} now`]);
  const columns = columnDifferences(former.source, now.source);
  if (columns.length > 0) return refused(columns);
  if (now.verdict === 'refused') return refused(now.reasons.map(({ message }) => message));
  if (now.verdict !== 'copy') return refused(['the change asks for nothing any more that needs a copy']);
  const key = keyOf(former.key, now.key);
  if (key === null) {
    const names = former.key.columns.map(({ name }) => name).join(', ');
    return refused([`the key (${names}) identifies the rows no more`]);
  }
  const outcome = columnDifferences(targetInSchema(former.target, now.target.name.schema), now.target);
  if (outcome.length > 0) return refused(outcome.map((text) => `${text}, in the new table`));
  if (JSON.stringify(former.columns.map(essence)) !== JSON.stringify(now.columns.map(essence)))
    return refused(['the values of the new table would be others']);
  return {
    plan: {
      ...now,
      // A default like now() was evaluated once, for all rows; the settings are those under which they were copied.
      columns: former.columns,
      projection: former.projection,
      key,
      settings: former.settings,
      request: former.request,
      capture: former.capture,
      back: backOf(former.back, now.back),
    },
    reasons: null,
  };
}

/** Whoever began without one goes on without; what rows have said of one that is the same still holds. */
function backOf(former: WayBack | null, now: WayBack | null): WayBack | null {
  if (former === null || now === null || former.verdict === 'declined') return former;
  if (JSON.stringify(former.way) !== JSON.stringify(now.way)) return now;
  const { verdict, loses, sampled, isTried } = former;
  return { ...now, verdict, loses, sampled, isTried };
}

function refused(reasons: readonly string[]): Followed {
  return { plan: null, reasons };
}

/** What decides about values; where an added column gets one value for all rows, the first plan's counts. */
function essence({ target, targetType, source, sourceType, how, expression }: ColumnMapping): unknown {
  return [target, targetType, source, sourceType, how, how === 'default' ? null : expression];
}

function columnDifferences(former: TableShape, now: TableShape): string[] {
  const same = (column: Column): Column | undefined => now.columns.find(({ name }) => name === column.name);
  return [
    ...former.columns.flatMap((column) => {
      const next = same(column);
      if (next === undefined) return [`column ${column.name} is gone`];
      const changed = (
        [
          ['type', typeOf],
          ['generation', generationOf],
        ] as const
      ).filter(([, read]) => read(column) !== read(next));
      return changed.map(
        ([what, read]) => `column ${column.name}: ${what}: was ${read(column)}, is ${read(next)}`,
      );
    }),
    ...now.columns
      .filter(({ name }) => !former.columns.some((column) => column.name === name))
      .map(({ name }) => `column ${name} was added`),
    ...(former.columns.map(({ name }) => name).join() === now.columns.map(({ name }) => name).join() ||
    former.columns.length !== now.columns.length
      ? []
      : ['the columns have another order']),
  ];
}

function typeOf({ type, collation }: Column): string {
  return collation === null ? type : `${type} collate ${collation}`;
}

function generationOf({ generated, default: expression }: Column): string {
  return generated === 'none' ? 'none' : `${generated} (${expression ?? ''})`;
}

/** The log has the former one's columns, in its order. */
function keyOf(former: Key, now: Key): Key | null {
  const columns = (key: Key): string =>
    JSON.stringify(key.columns.map((column) => JSON.stringify(column)).toSorted());
  if (columns(former) !== columns(now)) return null;
  return {
    ...former,
    index: now.index,
    // One that was built stays until the swap.
    needsHelperIndex: former.needsHelperIndex || now.needsHelperIndex,
  };
}
