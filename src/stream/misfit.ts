/** Rows that do not fit the table that they are brought to, as people are told of them. Pure. */
import { advice, toDo } from '../advice.js';
import { isConflict, SqlState, type ServerError } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import type { Stream } from './stream.js';

export interface Misfit {
  /** `id=7, region=eu`. */
  readonly key: string;
  /** The row that already has the unique value; null when that is not what is wrong, or when it is gone again. */
  readonly otherKey: string | null;
  readonly error: ServerError;
}

/** Enough to see a pattern; a table with a million of them needs a query, not a list. */
export const maxMisfits = 5;

/** @param first the error of the whole that they were found in; theirs goes before it */
export function misfitError(
  { id, from, told }: Pick<Stream, 'id' | 'from' | 'told'>,
  misfits: readonly Misfit[],
  first: ServerError,
  untouched: string = told.untouched,
): FailedError {
  const error = misfits[0]?.error ?? first;
  const keys = misfits.map(({ key, otherKey }) => (otherKey === null ? key : `${key} and ${otherKey}`));
  const which =
    keys.length === 0 ? '' : ` (${keys.length < maxMisfits ? '' : 'among others '}${keys.join('; ')})`;
  const [code, what] = isConflict(error)
    ? ['unique-violation', `violate ${error.constraint ?? 'a unique constraint'} of`]
    : ['row-does-not-fit', 'do not fit'];
  return new FailedError(
    code,
    `rows of ${displayName(from)} ${what} ${told.shape}: ${error.message}${which}`,
    {
      details: {
        reason: reasonOf(error),
        keys: misfits.flatMap(({ key, otherKey }) => (otherKey === null ? [key] : [key, otherKey])),
        constraint: error.constraint ?? null,
        column: error.column ?? null,
        message: error.message,
        sqlState: error.code,
      },
      state: `${untouched}; migration ${id} keeps its state`,
      hint: advice`fix the rows and run the same command again, or ${toDo('abort', id)}`,
      cause: error,
    },
  );
}

function reasonOf(error: ServerError): 'unique' | 'not-null' | 'check' | 'cast' | 'limit' {
  if (isConflict(error)) return 'unique';
  if (error.code === SqlState.notNullViolation) return 'not-null';
  if (/^(53|54|XX)/.test(error.code)) return 'limit';
  return error.code.startsWith('23') ? 'check' : 'cast';
}
