/** How big chunks are: what the machine for pieces does not know of blocks. Pure. */
import type { SizeLimits } from '../pieces/pace.js';

/** 2 MB: some 10 ms on any disk. */
export const firstChunkBlocks = 256;
/** 512 MB: beyond that the fixed cost of a chunk has long vanished, and a stop should not wait for more. */
const maxChunkBlocks = 65_536;
/**
 * 256 kB. A chunk costs some 3 ms whatever is in it (its transaction, its lock, the look at the source, its checkpoint),
 * and 0.05 to 0.15 ms a block: measured with narrow and with wide rows on an idle server. So below 20 to 60 blocks most
 * of a chunk is overhead, and one block at a time copies fifteen times as slowly.
 */
export const leastChunkBlocks = 32;

export const chunkLimits: SizeLimits = { min: leastChunkBlocks, max: maxChunkBlocks };

/**
 * What nothing is known of yet: 2 MB with the TOASTed values of its rows, which may be a thousand times as much as the rows.
 *
 * @param toastBytes of the whole table
 */
export function startChunkBlocks(totalBlocks: number, blockBytes: number, toastBytes: number): number {
  const heapBytes = totalBlocks * blockBytes;
  if (heapBytes === 0) return firstChunkBlocks;
  return Math.max(1, Math.floor(firstChunkBlocks * (heapBytes / (heapBytes + toastBytes))));
}

/** The last chunks are cut so that all workers end at about the same time. */
export function chunkBlocksNow(paceBlocks: number, remainingBlocks: number, workers: number): number {
  const fairShare = Math.ceil(remainingBlocks / workers);
  return Math.max(1, Math.min(paceBlocks, Math.max(fairShare, firstChunkBlocks)));
}
