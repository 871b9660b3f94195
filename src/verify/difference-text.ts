/** A difference, for people. Pure. */
import { keyText } from '../model/key.js';
import { qualified } from '../sql/quote.js';
import { targetNames } from '../stream/key-match.js';
import type { VerifyPlan } from './verify-plan.js';
import type { DifferentRow } from './compare-sql.js';

/** `id=7`, and what is in either table where they differ. */
export function describeDifference(plan: VerifyPlan, { kind, key, from, to }: DifferentRow): string {
  const name = keyText(targetNames(plan.key), key);
  switch (kind) {
    case 'missing':
      return `${name}: missing in ${qualified(plan.to)}`;
    case 'extra':
      return `${name}: only in ${qualified(plan.to)}`;
    case 'different': {
      const columns = plan.compared.flatMap(({ name: column, isStored }, index) => {
        const [is, should] = [to?.[index] ?? null, from?.[index] ?? null];
        const why = isStored === true ? ', as its expression gave it when the row was written' : '';
        return is === should ? [] : [`${column} is ${shown(is)}, must be ${shown(should)}${why}`];
      });
      return `${name}: ${columns.length === 0 ? 'differs in its bytes' : columns.join('; ')}`;
    }
  }
}

const longestValue = 60;

function shown(value: string | null): string {
  if (value === null) return 'NULL';
  return value.length <= longestValue
    ? `'${value}'`
    : `'${value.slice(0, longestValue)}...' (${value.length} characters)`;
}
