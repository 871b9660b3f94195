/** A row that makes the comparison itself fail (too large, damaged, of a type whose functions refuse it): found by halving, told by its key. */
import type { Session } from '../db/session.js';
import { isRowError, isServerError, SqlState, type ServerError } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { keyText } from '../model/key.js';
import { inTwo, searchByHalves, type NumberRange, type HalvingSearch } from '../pieces/halving.js';
import { displayName, type SqlQuery } from '../sql/quote.js';
import type { VerifyPlan } from './verify-plan.js';
import { digestSql } from './compare-sql.js';
import type { ComparedBlocks, KeyPosition, KeyRange, Piece } from './piece.js';
import { fromKeysSql, rangeKeysSql } from './piece-sql.js';

/** Another try would end the same way, and one row may be what it is about. */
export function isAboutARow(error: unknown): error is ServerError {
  // A type without a function for what is asked of it.
  return isRowError(error) || (isServerError(error) && error.code === SqlState.undefinedFunction);
}

/** Runs `work` in a transaction of its own. */
export type InSnapshot = <T>(session: Session, work: () => Promise<T>) => Promise<T>;

/** @returns `id=7`; null when no single row of `from` can be held responsible, or time was out */
export async function findUncomparable(
  session: Session,
  plan: VerifyPlan,
  piece: Piece,
  inSnapshot: InSnapshot,
): Promise<string | null> {
  switch (piece.kind) {
    case 'to blocks':
      return null;
    case 'from blocks': {
      const names = plan.key.columns.map(({ name }) => name);
      const found = await firstOf<LocatedRows>(
        piece.blocks,
        (blocks) => rowsOrHalves(session, fromKeysSql(plan, blocks), blocks),
        (blocks) => fails({ kind: 'from blocks', blocks }),
      );
      return found?.key === undefined ? null : keyText(names, found.key);
    }
    case 'range': {
      const names = (plan.order ?? []).map(({ from }) => from.column);
      const rows = await session.rows<Record<string, string>>(rangeKeysSql(plan, piece.range));
      const keys = rows.map((row) => Object.values(row));
      if (keys.length === 0) return null;
      const found = await firstOf({ from: 0, to: keys.length }, inTwo, (part) =>
        fails({ kind: 'range', range: rangeOf(piece.range, keys, part) }),
      );
      const key = found === null ? undefined : keys[found.from];
      return key === undefined ? null : keyText(names, key);
    }
  }

  async function fails(part: Piece): Promise<true | null> {
    try {
      await inSnapshot(session, () => session.rows(digestSql(plan, part)));
      return null;
    } catch (error) {
      if (!isAboutARow(error)) throw error;
      return true;
    }
  }
}

/** The first part that fails and is but one. */
async function firstOf<Part>(
  whole: Part,
  split: HalvingSearch<Part, true>['split'],
  attempt: HalvingSearch<Part, true>['attempt'],
): Promise<Part | null> {
  const failed: Part[] = [];
  await searchByHalves(whole, {
    attempt,
    split,
    found: (part) => void failed.push(part),
    isEnough: () => failed.length > 0,
  });
  return failed[0] ?? null;
}

/** The range of those keys that lie in a range, up to its own ends. */
function rangeOf(whole: KeyRange, keys: readonly KeyPosition[], { from, to }: NumberRange): KeyRange {
  return {
    after: keys[from - 1] ?? whole.after,
    upTo: to === keys.length ? whole.upTo : (keys[to - 1] ?? null),
  };
}

/** Blocks, or one row of one with its key. */
export type LocatedRows = ComparedBlocks & { readonly key?: KeyPosition };

/** @param rowsSql of one block */
export async function rowsOrHalves(
  session: Session,
  rowsSql: SqlQuery,
  blocks: LocatedRows,
): Promise<LocatedRows[] | null> {
  if (blocks.tid !== undefined) return null;
  const halves = inTwo(blocks);
  if (halves !== null) return halves;
  const rows = await session.rows<{ tid: string; key: string[] }>(rowsSql);
  return rows.map(({ tid, key }) => ({ ...blocks, tid, key }));
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
