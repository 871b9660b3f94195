/** What the copy is told about the table; facts only, no policy. */
import type { Stream } from '../stream/stream.js';

/** Its key is there to name rows that do not fit. */
export type CopyStream = Pick<Stream, 'id' | 'from' | 'to' | 'projection' | 'settings' | 'key' | 'told'>;

/** A chunk that is about to be committed. */
export interface CopiedChunk {
  readonly blocks: BlockRange;
  readonly rows: number;
}

/** Blocks of a heap: `from` included, `to` not. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}
