/** Who was in the way, for people: never the text of their SQL. */
import type { Blocker } from '../report/events.js';

/** Enough to act upon; the error's details have all of them. */
const most = 5;

/** Lines to put behind a message; empty when nobody was seen. */
export function blockerLines(blockers: readonly Blocker[]): string {
  const lines = blockers.slice(0, most).map((blocker) => `\n  in the way: ${describe(blocker)}`);
  const more = blockers.length - lines.length;
  return lines.join('') + (more > 0 ? `\n  and ${more} more` : '');
}

function describe({
  pid,
  backendType,
  user,
  application,
  state,
  transactionSeconds,
  lockModes,
}: Blocker): string {
  const who = pid === 0 ? `prepared transaction ${application ?? ''}`.trim() : `pid ${pid}`;
  return [
    who,
    ...(backendType === 'client backend' || pid === 0 ? [] : [backendType]),
    [user, pid === 0 ? null : application].filter((part) => part !== null).join(', '),
    state ?? '',
    transactionSeconds === null ? '' : `open for ${Math.round(transactionSeconds)} s`,
    `holds ${lockModes.join(', ')}`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}
