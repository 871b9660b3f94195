/** Where to connect: what libpq's users write, wherever they write it. What becomes of it is in `conninfo/`. */
import type { ConnectionOptions } from './conninfo/connection-options.js';
import { describeTarget, resolveTarget } from './conninfo/target.js';

/** For messages and the state: no password in it, ever. */
export function describeConnection(options: ConnectionOptions): string {
  return describeTarget(resolveTarget(options));
}

/** What of it cannot be done as asked, and is done otherwise. @throws UsageError as for connecting */
export function connectionNotices(options: ConnectionOptions): readonly string[] {
  return resolveTarget(options).notices;
}
