/** Whether a user's expression can be evaluated over any row that has the columns it names. */
import type { Refusal } from '../../errors.js';
import type { UserExpression } from '../change/types.js';

const systemColumns = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);

export interface ResolvedReferences {
  /** Names of columns at the moment of the expression. */
  readonly columns: readonly string[];
  readonly refusals: readonly Refusal[];
}

/**
 * PostgreSQL has accepted the expression in the trial, so every name in it means something there; here, where rows come
 * from the change log as well as from the table, only plain columns do.
 *
 * @param label what the expression is, for messages: `USING total::text`
 */
export function resolveReferences(
  { references }: UserExpression,
  label: string,
  table: string,
  columns: readonly string[],
): ResolvedReferences {
  const known = new Set(columns);
  const found: string[] = [];
  const refusals: Refusal[] = [];
  for (const path of references.columns) {
    const name = path.at(-1) ?? null;
    const qualifier = path.slice(0, -1);
    if (name !== null && known.has(name) && isTable(qualifier, table)) found.push(name);
    else refusals.push(refusal(label, path, table));
  }
  return { columns: [...new Set(found)], refusals };
}

function isTable(qualifier: readonly (string | null)[], table: string): boolean {
  return qualifier.length === 0 || (qualifier.length === 1 && qualifier[0] === table);
}

function refusal(label: string, path: readonly (string | null)[], table: string): Refusal {
  const text = path.map((part) => part ?? '*').join('.');
  const name = path.at(-1) ?? null;
  if (name !== null && systemColumns.has(name)) {
    return {
      code: 'system-column',
      message: `${label}: ${text} is a system column, which differs in the new table`,
    };
  }
  if (path.length > 2) {
    return {
      code: 'schema-qualified-column',
      message: `${label}: ${text} names its schema, which changes while the table is built`,
      hint: `write the column as ${table}.${name ?? '*'} or without the table`,
    };
  }
  return {
    code: 'whole-row',
    message: `${label}: ${text} stands for a whole row of the table, not for one of its columns`,
    hint: 'name the columns that the expression needs',
  };
}
