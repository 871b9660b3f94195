/**
 * Is a statement of another session upkeep of tables (VACUUM, ANALYZE, CREATE INDEX, REINDEX, CLUSTER), which reads the
 * table that it works on and no other? Pure.
 */
import type { Node } from './parse.js';
import { parseStatements } from './parse.js';

export interface Maintenance {
  /**
   * Nothing but the server's own code looks at rows (VACUUM); or also the expressions of the indexes and statistics that the
   * table has; or those of an index that is only being made.
   */
  readonly runs: 'none' | 'of-the-table' | 'of-a-new-index';
  /** PostgreSQL runs it in no transaction block: when it ends, its snapshot is gone. */
  readonly ownTransaction: boolean;
}

/** null for everything else, for more than one statement, and for a text that was cut off. */
export function maintenanceOf(query: string): Maintenance | null {
  try {
    const [statement, ...more] = parseStatements(query);
    return statement === undefined || more.length > 0 ? null : ofTree(statement.tree);
  } catch {
    // The parser's grammar may be older than the server's.
    return null;
  }
}

function ofTree(tree: Node): Maintenance | null {
  if ('VacuumStmt' in tree) {
    const { is_vacuumcmd: vacuums = false, options } = tree.VacuumStmt;
    const plain = vacuums && !isOn(options, 'full') && !isOn(options, 'analyze');
    return { runs: plain ? 'none' : 'of-the-table', ownTransaction: vacuums };
  }
  if ('IndexStmt' in tree) {
    const { concurrent = false, whereClause, indexParams = [] } = tree.IndexStmt;
    const hasExpression = indexParams.some(
      (each) => 'IndexElem' in each && each.IndexElem.expr !== undefined,
    );
    return {
      runs: hasExpression || whereClause !== undefined ? 'of-a-new-index' : 'none',
      ownTransaction: concurrent,
    };
  }
  if ('ReindexStmt' in tree) {
    const { kind, params } = tree.ReindexStmt;
    const isOne = kind === 'REINDEX_OBJECT_TABLE' || kind === 'REINDEX_OBJECT_INDEX';
    return { runs: 'of-the-table', ownTransaction: !isOne || isOn(params, 'concurrently') };
  }
  if ('ClusterStmt' in tree) {
    return { runs: 'of-the-table', ownTransaction: tree.ClusterStmt.relation === undefined };
  }
  return null;
}

/** `(full)`, `(full true)`, `(full 1)`, and not `(full off)`. */
function isOn(options: readonly Node[] | undefined, name: string): boolean {
  const found = options?.findLast((each) => 'DefElem' in each && each.DefElem.defname === name);
  if (found === undefined || !('DefElem' in found)) return false;
  const { arg } = found.DefElem;
  if (arg === undefined) return true;
  if ('String' in arg) return !['off', 'false'].includes((arg.String.sval ?? '').toLowerCase());
  if ('Integer' in arg) return (arg.Integer.ival ?? 0) !== 0;
  return !('Boolean' in arg) || arg.Boolean.boolval === true;
}
