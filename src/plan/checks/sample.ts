/** A look at some rows of the source: plan does not read a large table, and a look that cannot be had is no reason to refuse. */
import type { Session } from '../../db/session.js';
import { isServerError } from '../../db/sqlstate.js';

/** At the beginning, where the oldest rows are, and as many at the end. */
const sampleBlocks = 64;
export const lookTimeoutMs = 3_000;

/** A condition; its parameters are `sampleEnds`. */
export const isSampledSql = `ctid operator(pg_catalog.<) $1::pg_catalog.tid or ctid operator(pg_catalog.>=) $2::pg_catalog.tid`;

/** @param blocks of the table */
export function sampleEnds(blocks: number): [string, string] {
  return [`(${sampleBlocks},0)`, `(${Math.max(sampleBlocks, blocks - sampleBlocks)},0)`];
}

/** null when it takes too long, is forbidden, or an expression in it fails. */
export async function tryLook<T>(session: Session, look: () => Promise<T>): Promise<T | null> {
  try {
    return await session.transaction(look, { settings: { statement_timeout: String(lookTimeoutMs) } });
  } catch (error) {
    if (!isServerError(error)) throw error;
    return null;
  }
}
