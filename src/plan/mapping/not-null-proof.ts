/**
 * Whether a column can hold no NULL. A CHECK lets a row pass when it is true or NULL, so only what is false for a NULL is a
 * proof: `a > 0` is none. Nor is a domain that is NOT NULL, or checks for it: a NULL comes through it by a subquery that finds
 * no row (https://www.postgresql.org/docs/current/sql-createdomain.html, Notes). Pure.
 */
import type { Column, TableShape } from '../../model/table-shape.js';
import { parseStatement } from '../../sql/parse.js';
import { isTreeObject, stringList, walkTree, type TreeObject } from '../../sql/syntax-tree.js';

export function isNotNull(shape: Pick<TableShape, 'constraints'>, column: Column): boolean {
  const own = shape.constraints.filter(({ columns }) => columns.includes(column.name));
  // Since 18 a NOT NULL can be NOT VALID: new rows obey it, older ones need not.
  if (column.notNull && !own.some(({ type, validated }) => type === 'not null' && !validated)) return true;
  return own.some(
    ({ type, validated, enforced, definition }) =>
      type === 'check' && validated && enforced && checkForbidsNull(definition, column.name),
  );
}

/** @param definition as `pg_get_constraintdef` prints it */
function checkForbidsNull(definition: string, column: string): boolean {
  const { tree } = parseStatement(`alter table t add ${definition}`);
  let condition: unknown;
  walkTree(tree, (object) => {
    const constraint = object['Constraint'];
    if (isTreeObject(constraint)) condition ??= constraint['raw_expr'];
  });
  return isFalseForNull(condition, column);
}

function isFalseForNull(node: unknown, column: string): boolean {
  const [kind, content] = onlyPart(node);
  switch (kind) {
    case 'NullTest':
      return content['nulltesttype'] === 'IS_NOT_NULL' && isColumn(content['arg'], column);
    case 'BooleanTest':
      return (
        ['IS_TRUE', 'IS_NOT_FALSE'].includes(String(content['booltesttype'])) &&
        isFalseForNull(content['arg'], column)
      );
    case 'BoolExpr':
      return isFalse(content, column);
    case 'A_Expr':
      return countsNulls(content, column);
    default:
      return false;
  }
}

function isFalse({ boolop, args }: TreeObject, column: string): boolean {
  const parts = Array.isArray(args) ? args : [];
  switch (boolop) {
    case 'AND_EXPR':
      return parts.some((part) => isFalseForNull(part, column));
    case 'OR_EXPR':
      return parts.every((part) => isFalseForNull(part, column));
    case 'NOT_EXPR': {
      const [kind, content] = onlyPart(parts[0]);
      return kind === 'NullTest' && content['nulltesttype'] === 'IS_NULL' && isColumn(content['arg'], column);
    }
    default:
      return false;
  }
}

/** `num_nulls(a, b) = 0`, `num_nonnulls(a, b) = 2`; functions of pg_catalog are printed without a schema. */
function countsNulls({ name, lexpr, rexpr }: TreeObject, column: string): boolean {
  const [left, call] = onlyPart(lexpr);
  const [right, constant] = onlyPart(rexpr);
  if (stringList(name)?.join('.') !== '=' || left !== 'FuncCall' || right !== 'A_Const') return false;
  const args = Array.isArray(call['args']) ? call['args'] : [];
  if (call['func_variadic'] === true || !args.some((arg) => isColumn(arg, column))) return false;
  const number = isTreeObject(constant['ival']) ? (constant['ival']['ival'] ?? 0) : null;
  const called = stringList(call['funcname'])?.join('.');
  return (called === 'num_nulls' && number === 0) || (called === 'num_nonnulls' && number === args.length);
}

/** An unqualified name that is the column's; a field of it (`(a).b`) is something else. */
function isColumn(node: unknown, column: string): boolean {
  const [kind, content] = onlyPart(node);
  const names = kind === 'ColumnRef' ? stringList(content['fields']) : null;
  return names !== null && names.at(-1) === column && names.length === 1;
}

function onlyPart(node: unknown): [kind: string | null, content: TreeObject] {
  if (!isTreeObject(node)) return [null, {}];
  const [entry] = Object.entries(node);
  return entry !== undefined && isTreeObject(entry[1]) ? [entry[0], entry[1]] : [null, {}];
}
