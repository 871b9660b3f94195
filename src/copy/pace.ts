/** How big the next chunk is, from how long the last one took. Pure. */

/** 2 MB: some 10 ms on any disk, and a wide row with large TOASTed values still ends in time. */
export const firstChunkBlocks = 256;
/** 512 MB: beyond that the fixed cost of a chunk has long vanished, and a stop should not wait for more. */
const maxChunkBlocks = 65_536;
/** A fast chunk may have been luck (cached, empty pages): grow slowly, shrink at once. */
const maxGrowth = 1.5;

export interface ChunkTime {
  readonly blocks: number;
  readonly durationMs: number;
}

/**
 * @param currentBlocks what chunks are cut to now
 * @param last a finished chunk; may be smaller (the end of a range), and then is no reason to grow
 */
export function nextChunkBlocks(currentBlocks: number, last: ChunkTime, targetMs: number): number {
  const ideal = (last.blocks * targetMs) / Math.max(last.durationMs, 0.1);
  const tooSlow = last.durationMs > targetMs;
  if (!tooSlow && last.blocks < currentBlocks) return currentBlocks;
  // A slow chunk cut to another size before must not make the next one bigger.
  const limit = tooSlow ? Math.min(currentBlocks, last.blocks) : currentBlocks * maxGrowth;
  return Math.round(Math.min(Math.max(Math.min(ideal, limit), 1), maxChunkBlocks));
}

/** The last chunks are cut so that all workers end at about the same time. */
export function chunkBlocksNow(paceBlocks: number, remainingBlocks: number, workers: number): number {
  const fairShare = Math.ceil(remainingBlocks / workers);
  return Math.max(1, Math.min(paceBlocks, Math.max(fairShare, firstChunkBlocks)));
}
