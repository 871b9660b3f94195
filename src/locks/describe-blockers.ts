/** Who was in the way, for people: never the text of their SQL. */
import { isPrepared, type Blocker } from '../model/blocker.js';
import type { CensusEntry } from './census.js';

/** Enough to act upon; the error's details have all of them. */
const most = 5;

/** Lines to put behind a message; empty when nobody was seen. */
export function blockerLines(blockers: readonly (Blocker | CensusEntry)[]): string {
  const lines = blockers.slice(0, most).map((blocker) => `\n  in the way: ${describe(blocker)}`);
  const more = blockers.length - lines.length;
  return lines.join('') + (more > 0 ? `\n  and ${more} more` : '');
}

function describe(blocker: Blocker | CensusEntry): string {
  const { pid, backendType, user, application, state, transactionSeconds, lockModes } = blocker;
  const isSession = !isPrepared(blocker);
  const who = isSession ? `pid ${pid}` : `prepared transaction ${application ?? ''}`.trim();
  return [
    who,
    ...(backendType === 'client backend' || !isSession ? [] : [backendType]),
    [user, isSession ? application : null].filter((part) => part !== null).join(', '),
    state ?? '',
    transactionSeconds === null ? '' : `open for ${Math.round(transactionSeconds)} s`,
    lockModes.length === 0 ? '' : `holds ${lockModes.join(', ')}`,
    ...('times' in blocker ? history(blocker) : []),
  ]
    .filter((part) => part !== '')
    .join('  ');
}

function history({ times, inTheWayMs, note }: CensusEntry): string[] {
  const seconds = inTheWayMs >= 100 ? `, for ${(inTheWayMs / 1_000).toFixed(1)} s in all` : '';
  return [`seen ${times === 1 ? 'once' : `${times} times`}${seconds}`, note ?? ''];
}
