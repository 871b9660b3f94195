/** How many blocks of the log the next batch takes, and what to do with the space of those that are done. Pure. */

/** About 5,000 keys of a bigint: the fixed cost of a batch (six round trips) is lost in it. */
export const firstBatchBlocks = 24;
/** A hundred thousand keys: after a stretch of empty blocks the next full ones must not make a transaction of minutes. */
const maxBatchBlocks = 512;
/** Growth of one step; batches are cheap to try. */
const maxGrowth = 2;
const batchTimeMs = 300;

export function nextBatchBlocks(blocks: number, batchMs: number): number {
  const ideal = (blocks * batchTimeMs) / Math.max(batchMs, 0.1);
  return Math.round(Math.min(Math.max(Math.min(ideal, blocks * maxGrowth), 1), maxBatchBlocks));
}

/** Deleted entries that make a VACUUM of the active segment worth its scan. */
export const worthReclaiming = 10_000;
/** 4 MB. The drain reads the whole log three times, while the application waits. */
export const smallLogBlocks = 512;
