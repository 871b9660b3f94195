/** How big the next chunk is, from how long the last one took. Pure. */
import { nextSize } from '../throttle/pace.js';

/** 2 MB: some 10 ms on any disk, and a wide row with large TOASTed values still ends in time. */
export const firstChunkBlocks = 256;
/** 512 MB: beyond that the fixed cost of a chunk has long vanished, and a stop should not wait for more. */
const maxChunkBlocks = 65_536;
export interface ChunkTime {
  readonly blocks: number;
  readonly durationMs: number;
}

/**
 * @param currentBlocks what chunks are cut to now
 * @param last a finished chunk; may be smaller (the end of a range), and then is no reason to grow
 */
export function nextChunkBlocks(currentBlocks: number, last: ChunkTime, targetMs: number): number {
  const piece = { size: last.blocks, durationMs: last.durationMs };
  return nextSize(currentBlocks, piece, targetMs, { max: maxChunkBlocks });
}

/** The last chunks are cut so that all workers end at about the same time. */
export function chunkBlocksNow(paceBlocks: number, remainingBlocks: number, workers: number): number {
  const fairShare = Math.ceil(remainingBlocks / workers);
  return Math.max(1, Math.min(paceBlocks, Math.max(fairShare, firstChunkBlocks)));
}
