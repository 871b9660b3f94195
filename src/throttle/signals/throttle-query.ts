/** The user's own query, for what only they can know. */
import { UsageError } from '../../errors.js';
import { parseStatements } from '../../sql/parse.js';
import type { Reading } from '../reading.js';
import type { Signal } from '../signal.js';

/** It runs every second beside the copy: what takes longer is itself a load. */
const settings = { transaction_read_only: 'on', statement_timeout: '2s' };

/**
 * Of the limits' `throttleQuery`; runs it as it is, in a read-only transaction.
 *
 * @throws UsageError what `checkThrottleQuery` throws; after that check it does not
 */
export function throttleQuery(): Signal {
  let checked: string | null = null;
  return {
    names: ['throttle-query'],
    async read(session, { throttleQuery: text }) {
      if (text == null || text === '') return [];
      if (text !== checked) checkThrottleQuery(text);
      checked = text;
      // Its names are looked up where the user has them.
      const rows = await session.asUser(() =>
        session.transaction(() => session.rows<Record<string, unknown>>(text), { settings }),
      );
      return [readingOf(Object.values(rows[0] ?? {})[0])];
    },
  };
}

/**
 * One SELECT, VALUES or TABLE. Two statements could be `commit` and anything, and what is read-only would not be.
 *
 * @throws UsageError `syntax-error`
 */
export function checkThrottleQuery(text: string): void {
  const [statement, ...more] = parseStatements(text);
  if (statement === undefined || more.length > 0 || !('SelectStmt' in statement.tree)) {
    throw new UsageError('syntax-error', `not one query: ${text}`, {
      hint: 'the throttle query is one SELECT; the work pauses while its first column is true or above 0',
    });
  }
}

/** No row and NULL are like false, as in a WHERE. */
function readingOf(value: unknown): Reading {
  const signal = 'throttle-query';
  if (value === undefined || value === null) return { signal, value: 0 };
  if (typeof value === 'boolean') return { signal, value: value ? 1 : 0, detail: String(value) };
  // `numeric` comes as text.
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && !Number.isNaN(number)) return { signal, value: number };
  return { signal, value: null, detail: 'its first column is neither a boolean nor a number' };
}
