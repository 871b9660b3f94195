/** Which session settings each kind of work gets on top of the pinned ones. */

/**
 * For work whose effect and whose record of it commit together: a crash loses both or neither, so waiting for the
 * disk, or for a synchronous standby, buys nothing.
 */
export const relaxedCommit: Readonly<Record<string, string>> = { synchronous_commit: 'off' };
