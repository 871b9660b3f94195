/**
 * Two tables change places, or several such pairs at once: for the swap, and for every rehearsal of it, whichever of the two is
 * the older one. Everything is put together before the locks; under them the application waits.
 */
import { readEventTriggers } from '../catalog/event-triggers.js';
import type { Session } from '../db/session.js';
import type { LockedResult } from '../locks/locked-transaction.js';
import type { LockTarget } from '../model/lock-set.js';
import { qualified } from '../sql/quote.js';
import { cutover, type CutoverWork } from './cutover.js';
import { exchangeStatements, type ExchangeFacts } from './exchange-sql.js';
import { inspectSwapped } from './inspect-swapped.js';
import { lockSteps } from './lock-steps.js';

export interface ExchangedTables extends ExchangeFacts {
  /** Every relation that is locked, in the order in which it is. */
  readonly lockSet: readonly LockTarget[];
}

export interface ExchangeWork extends Omit<CutoverWork, 'table' | 'tableOid' | 'locks' | 'swap' | 'inspect'> {
  /** For what is read before the lock. */
  readonly look: Session;
  /** What marks in the same commit that it is done. */
  readonly mark: string;
  /** After `finish`: what must stand before the rest of the message. */
  readonly first?: () => readonly string[];
}

/**
 * @throws LockNotObtained after the deadline: nothing was exchanged.
 * @throws CommitOutcomeUnknown when the connection broke at the commit.
 */
export async function exchange(
  pairs: readonly [ExchangedTables, ...ExchangedTables[]],
  work: ExchangeWork,
): Promise<LockedResult<number>> {
  const { look, mark, first = () => [], ...rest } = work;
  const [{ table, leaving }] = pairs;
  const statements = [...pairs.flatMap(exchangeStatements), mark];
  const locks = await lockSteps(
    look,
    pairs.map((pair) => ({
      source: pair.leaving.shape,
      lockSet: pair.lockSet,
      views: pair.hanging.becomes.views,
      sequences: pair.leaving.shape.sequences,
    })),
  );
  return await cutover({
    ...rest,
    table: qualified(table),
    tableOid: leaving.shape.oid,
    locks,
    swap: () => [...first(), ...statements],
    ...(await inspecting(pairs, work)),
  });
}

/** Event triggers fire at the statements of the swap too. Where there are none, nobody else can be in its transaction. */
async function inspecting(
  pairs: readonly ExchangedTables[],
  { look, session }: ExchangeWork,
): Promise<Pick<CutoverWork, 'inspect'>> {
  if ((await readEventTriggers(look)).length === 0) return {};
  return {
    inspect: async () => {
      for (const { coming, hanging } of pairs)
        await inspectSwapped(session, {
          oid: coming.oid,
          target: coming.shape,
          definitions: hanging.becomes,
        });
    },
  };
}
