/**
 * What ends a later turn, as people are told of it: phases speak of the source, the shadow and of aborting, and here there is neither.
 * Both tables are whole, one is in use, and the same command begins the turn again.
 */
import { advice, doing, type Text } from '../advice.js';
import {
  CutoverNotObtainedError,
  DifferentError,
  FailedError,
  InterruptedError,
  type PgGhostError,
} from '../errors.js';
import type { Direction } from '../model/direction.js';

export interface FailedTurn {
  readonly id: number;
  readonly direction: Direction;
  /** The swap was done; what follows it failed. */
  readonly isExchanged: boolean;
}

/** The same error, in the words of the turn. */
export function toldOfTurn(error: PgGhostError, turn: FailedTurn): PgGhostError {
  const facts = { details: error.details, state: stateOf(turn), hint: hintOf(error, turn), cause: error };
  const { code, message } = error;
  if (error instanceof DifferentError) return new DifferentError(code, message, facts);
  if (error instanceof CutoverNotObtainedError) return new CutoverNotObtainedError(code, message, facts);
  if (error instanceof InterruptedError) return new InterruptedError(code, message, facts);
  return error instanceof FailedError ? new FailedError(code, message, facts) : error;
}

function stateOf({ direction, isExchanged }: FailedTurn): Text {
  const [present, other] =
    direction === 'back'
      ? ['the new table', 'the one from before']
      : ['the table from before', 'the new one'];
  return isExchanged
    ? `the tables are exchanged: ${other} is in use; what follows that may not be complete`
    : `nothing was exchanged: ${present} is in use as it was, and what is written to it goes on being collected`;
}

function hintOf({ code }: PgGhostError, { id, direction, isExchanged }: FailedTurn): Text {
  const again = doing(direction === 'back' ? 'rollback' : 'rollforward', id);
  const keep = advice`${doing('finalize', id)} gives the other table up`;
  if (isExchanged) return advice`${again} again brings that to its end`;
  switch (code) {
    case 'row-does-not-fit':
    case 'unique-violation':
      return advice`correct these rows, then ${again} goes on; or ${keep}`;
    case 'cutover-not-obtained':
    case 'old-snapshot':
      return advice`${again} at a quieter moment, or with a longer --cutover-deadline`;
    case 'capture-interrupted':
    case 'table-gone':
      return keep;
    case 'rehearsed':
      return advice`${again} without --rehearse does it`;
    default:
      return advice`${again} begins again; ${keep}`;
  }
}
