/** What an expression refers to, by its syntax alone: which of these are columns only the catalog knows. */
import { isTreeObject, stringList, walkTree } from './syntax-tree.js';

export interface References {
  /** Column references as written: `['total']`, `['orders', 'total']`; a `*` at the end as null. */
  readonly columns: readonly (readonly (string | null)[])[];
  /** Functions called: `['lower']`, `['pg_catalog', 'now']`. */
  readonly functions: readonly (readonly string[])[];
  /** CURRENT_TIMESTAMP, CURRENT_USER and the like, which are grammar and not functions. */
  readonly sqlValues: readonly string[];
  readonly hasSubquery: boolean;
  /** `$1` */
  readonly hasParameter: boolean;
}

export function columnReferences(expression: unknown): References {
  const columns: (string | null)[][] = [];
  const functions: string[][] = [];
  const sqlValues: string[] = [];
  let hasSubquery = false;
  let hasParameter = false;
  walkTree(expression, (node) => {
    const { ColumnRef: column, FuncCall: call, SQLValueFunction: value } = node;
    if (isTreeObject(column)) columns.push(fieldNames(column['fields']));
    if (isTreeObject(call)) functions.push(stringList(call['funcname']) ?? []);
    if (isTreeObject(value)) sqlValues.push(String(value['op']).replace('SVFOP_', ''));
    if ('SubLink' in node) hasSubquery = true;
    if ('ParamRef' in node) hasParameter = true;
  });
  return { columns, functions, sqlValues, hasSubquery, hasParameter };
}

function fieldNames(fields: unknown): (string | null)[] {
  return (Array.isArray(fields) ? fields : []).map((field: unknown) => stringList([field])?.[0] ?? null);
}
