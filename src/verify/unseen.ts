/** What a comparison of all rows does not see: a row whose writes were missed may differ there, and nobody would know. Pure. */
import type { Way } from '../stream/way.js';
import { columnReferences } from '../sql/column-references.js';
import { parseExpression } from '../sql/parse.js';
import type { VerifyPlan } from './verify-plan.js';

/** For people, each: why not every difference would be found; none where it would. */
export function unseenDifferences(
  { bothWays, compared, leftOut }: VerifyPlan,
  { columns, to }: Pick<Way, 'columns' | 'to'>,
): string[] {
  const known = new Set([...compared.map(({ name }) => name), ...leftOut.map(({ column }) => column)]);
  return [
    ...(bothWays ? [] : ['different keys may become equal']),
    ...columns.flatMap(({ target, volatile, expression }) =>
      // One that reads nothing of the row (a default, say) is as good as any other that it could have got.
      target !== null && volatile === true && (expression === null || readsRow(expression))
        ? [`${target} is computed by ${expression ?? 'something'}, another value each time`]
        : [],
    ),
    ...to.columns.flatMap(({ name }) => (known.has(name) ? [] : [`${name} cannot be compared`])),
  ];
}

function readsRow(expression: string): boolean {
  const { columns, hasSubquery } = columnReferences(parseExpression(expression).tree);
  return columns.length > 0 || hasSubquery;
}
