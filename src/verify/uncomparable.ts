/** A row that makes the comparison itself fail (too large, damaged, of a type whose functions refuse it): found by halving, told by its key. */
import type { Session } from '../db/session.js';
import { isRowError, isServerError, SqlState, type ServerError } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import type { VerifyPlan } from './verify-plan.js';
import { digestSql, rangeKeysSql, fromKeysSql, type KeyPosition, type Piece } from './verify-sql.js';

const searchTimeMs = 30_000;

/** Another try would end the same way, and one row may be what it is about. */
export function isAboutARow(error: unknown): error is ServerError {
  // A type without a function for what is asked of it.
  return isRowError(error) || (isServerError(error) && error.code === SqlState.undefinedFunction);
}

/** Runs `work` in a transaction of its own. */
export type InSnapshot = <T>(session: Session, work: () => Promise<T>) => Promise<T>;

/** @returns `id=7`; null when no single row of `from` can be held responsible */
export async function findUncomparable(
  session: Session,
  plan: VerifyPlan,
  piece: Piece,
  inSnapshot: InSnapshot,
): Promise<string | null> {
  const deadline = Date.now() + searchTimeMs;
  switch (piece.kind) {
    case 'to blocks':
      return null;
    case 'from blocks':
      return await inBlocks(piece.blocks.from, piece.blocks.to);
    case 'range': {
      const { range } = piece;
      const keys = (await session.rows<Record<string, string>>(rangeKeysSql(plan, range))).map((row) =>
        Object.values(row),
      );
      const at = await within(0, keys.length, (from, to) => ({
        kind: 'range',
        range: {
          after: keys[from - 1] ?? range.after,
          upTo: to === keys.length ? range.upTo : (keys[to - 1] ?? null),
        },
      }));
      const key = at === null ? undefined : keys[at];
      return key === undefined ? null : describe(key, fromNamesInOrder(plan));
    }
  }

  async function inBlocks(from: number, to: number): Promise<string | null> {
    const block = await within(from, to, (first, last) => ({
      kind: 'from blocks',
      blocks: { from: first, to: last },
    }));
    if (block === null) return null;
    const blocks = { from: block, to: block + 1 };
    for (const { tid, key } of await session.rows<{ tid: string; key: string[] }>(
      fromKeysSql(plan, blocks),
    )) {
      const row: Piece = { kind: 'from blocks', blocks: { ...blocks, tid } };
      if (await fails(row))
        return describe(
          key,
          plan.key.columns.map(({ name }) => name),
        );
    }
    return null;
  }

  /** The first place in [from, to) that fails; null when none does any more, or time is out. */
  async function within(
    from: number,
    to: number,
    pieceOf: (from: number, to: number) => Piece,
  ): Promise<number | null> {
    if (from >= to || Date.now() > deadline || !(await fails(pieceOf(from, to)))) return null;
    if (to - from === 1) return from;
    const middle = Math.floor((from + to) / 2);
    return (await within(from, middle, pieceOf)) ?? (await within(middle, to, pieceOf));
  }

  async function fails(part: Piece): Promise<boolean> {
    try {
      await inSnapshot(session, () => session.rows(digestSql(plan, part)));
      return false;
    } catch (error) {
      if (!isAboutARow(error)) throw error;
      return true;
    }
  }
}

function fromNamesInOrder({ order }: VerifyPlan): string[] {
  return (order ?? []).map(({ from }) => from.column);
}

function describe(key: KeyPosition, names: readonly string[]): string {
  return names.map((name, index) => `${name}=${key[index] ?? ''}`).join(', ');
}

export function uncomparable(plan: VerifyPlan, key: string | null, cause: ServerError): FailedError {
  return new FailedError(
    'row-not-comparable',
    `rows of ${displayName(plan.from)} cannot be compared with ${displayName(plan.to)}: ${cause.message}${key === null ? '' : ` (${key})`}`,
    {
      details: { key, message: cause.message, sqlState: cause.code },
      state: plan.told.uncompared,
      hint: 'put the row right; or, where it is as it should be, run the same command again with --verify off',
      cause,
    },
  );
}
