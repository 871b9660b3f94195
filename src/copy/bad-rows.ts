/** Finds the rows that make a chunk fail, by halving it: which rows, not just that there are some. */
import { advice, toDo } from '../advice.js';
import type { Session } from '../db/session.js';
import { isRowError, SqlState, type ServerError } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import { copyRowsSql, copySettings, keyAtSql, lockSourceSql } from './copy-sql.js';
import type { BlockRange, CopyPlan } from './types.js';

/** Enough to see a pattern; a table with a million bad rows needs a query, not a list. */
const maxSamples = 5;
const searchTimeMs = 30_000;
/** Offsets within a block start at 1; a 32 KB block has at most 1,170. */
const offsetsPerBlock = 2048;

export interface BadRow {
  /** `id=7, region=eu`. */
  readonly key: string;
  readonly error: ServerError;
}

/**
 * Inserts halves of the chunk again in a transaction that is rolled back, in one snapshot.
 *
 * @returns up to 5 rows, fewer when time runs out; none when the rows were repaired in the meantime
 */
export async function findBadRows(
  session: Session,
  plan: CopyPlan,
  blocks: BlockRange,
  signal?: AbortSignal,
): Promise<{ readonly rows: BadRow[]; readonly timedOut: boolean }> {
  const deadline = Date.now() + searchTimeMs;
  const rows: BadRow[] = [];
  let timedOut = false;
  await session.batch([
    'begin isolation level repeatable read',
    ...Object.entries(copySettings).map(([name, value]) => `set local ${name} = ${value}`),
    lockSourceSql(plan),
    'savepoint attempt',
  ]);
  try {
    await search(blocks.from * offsetsPerBlock, blocks.to * offsetsPerBlock);
  } finally {
    await session.rollback();
  }
  return { rows, timedOut };

  async function search(from: number, to: number): Promise<void> {
    signal?.throwIfAborted();
    timedOut ||= Date.now() > deadline;
    if (timedOut || rows.length >= maxSamples) return;
    const error = await attempt(from, to);
    if (error === null) return;
    if (to - from > 1) {
      const middle = split(from, to);
      await search(from, middle);
      await search(middle, to);
      return;
    }
    const [key] = await session.rows<Record<string, string>>(keyAtSql(plan, tid(from)));
    if (key !== undefined) rows.push({ key: describeKey(plan, key), error });
  }

  async function attempt(from: number, to: number): Promise<ServerError | null> {
    try {
      await session.under(plan.settings, () =>
        session.execute(copyRowsSql(plan, { from: tid(from), to: tid(to) })),
      );
      return null;
    } catch (error) {
      if (!isRowError(error)) throw error;
      return error;
    } finally {
      await session.batch(['rollback to savepoint attempt']);
    }
  }
}

/** Between two blocks as long as there are several: nearly all positions within a block do not exist. */
function split(from: number, to: number): number {
  const middle = Math.floor((from + to) / 2);
  const boundary = Math.floor(middle / offsetsPerBlock) * offsetsPerBlock;
  return boundary > from ? boundary : middle;
}

function tid(position: number): string {
  return `(${Math.floor(position / offsetsPerBlock)},${position % offsetsPerBlock})`;
}

function describeKey(plan: CopyPlan, values: Record<string, string>): string {
  return plan.key.columns.map((column, index) => `${column.name}=${values[`k${index + 1}`]}`).join(', ');
}

/** What the user is told; `first` is the error of the chunk. */
export function rowDoesNotFit(plan: CopyPlan, rows: readonly BadRow[], first: ServerError): FailedError {
  const keys = rows.map((row) => row.key);
  const error = rows[0]?.error ?? first;
  const which =
    keys.length === 0 ? '' : ` (${keys.length < maxSamples ? '' : 'among others '}${keys.join('; ')})`;
  return new FailedError(
    'row-does-not-fit',
    `rows of ${displayName(plan.from)} do not fit ${plan.told.shape}: ${error.message}${which}`,
    {
      details: {
        reason: reasonOf(error),
        keys,
        constraint: error.constraint ?? null,
        column: error.column ?? null,
        message: error.message,
        sqlState: error.code,
      },
      state: `${plan.told.untouched}; migration ${plan.id} keeps its state`,
      hint: advice`fix the rows and run the same command again, or ${toDo('abort', plan.id)}`,
      cause: error,
    },
  );
}

function reasonOf(error: ServerError): 'not-null' | 'check' | 'cast' | 'limit' {
  if (error.code === SqlState.notNullViolation) return 'not-null';
  if (/^(53|54|XX)/.test(error.code)) return 'limit';
  return error.code.startsWith('23') ? 'check' : 'cast';
}
