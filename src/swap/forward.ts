/** What `exchange` needs to know of a table and the one that comes into its place, from the plan. */
import { autovacuumRestoreStatements, unvalidatedConstraintStatements } from '../ddl/bare-heap-sql.js';
import { dropHelperIndexStatements } from '../ddl/helper-index-sql.js';
import type { ColumnMapping } from '../model/column-mapping.js';
import type { TablePlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import type { ExchangedTables } from './exchange.js';

export interface ForwardFacts {
  readonly plan: Pick<
    TablePlan,
    'table' | 'columns' | 'serials' | 'lockSet' | 'source' | 'key' | 'definitions'
  >;
  readonly schemas: { readonly shadow: string; readonly old: string };
  /** What the shadow must be when it is in. */
  readonly target: TableShape;
  readonly shadowOid: number;
  /** What it still needs: nothing where it was in use before. */
  readonly readied: readonly string[];
  readonly statisticsHomes: ReadonlyMap<string, string>;
  readonly capture: readonly string[];
}

export function forward(facts: ForwardFacts): ExchangedTables {
  const { plan, schemas, target } = facts;
  return {
    table: plan.table,
    leaving: { shape: plan.source, goesTo: schemas.old },
    coming: {
      oid: facts.shadowOid,
      shape: target,
      comesFrom: schemas.shadow,
      readied: facts.readied,
      statisticsHomes: facts.statisticsHomes,
    },
    columns: successors(plan.columns),
    serials: plan.serials,
    hanging: { was: plan.definitions.source, becomes: plan.definitions.target },
    lockSet: plan.lockSet,
    capture: facts.capture,
  };
}

/** What a shadow that was built could not have, or had to have, until now. */
export function readiedStatements({
  id,
  plan,
  schemas,
  target,
}: Pick<ForwardFacts, 'plan' | 'schemas' | 'target'> & { readonly id: number }): string[] {
  return [
    // Not before the drain: it needs the index, and every change of the shadow makes its plans void.
    ...dropHelperIndexStatements({ id, schema: schemas.shadow, table: plan.table.name, key: plan.key }),
    ...autovacuumRestoreStatements(target, schemas.shadow),
    ...unvalidatedConstraintStatements(target, schemas.shadow),
  ];
}

function successors(columns: readonly ColumnMapping[]): Map<string, string> {
  return new Map(
    columns.flatMap(({ source, target }) =>
      source === null || target === null ? [] : [[source, target] as const],
    ),
  );
}
