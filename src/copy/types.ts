/** What the copy is told about the table; facts only, no policy. */
import type { PinnedSettings } from '../model/plan.js';
import type { Key } from '../model/key.js';
import type { Projection } from '../model/projection.js';
import type { QualifiedName } from '../model/name.js';

export interface CopyPlan {
  /** Migration id, for messages. */
  readonly id: number;
  readonly source: QualifiedName;
  readonly shadow: QualifiedName;
  readonly projection: Projection;
  /** Under which it is evaluated (invariant 13). */
  readonly settings: PinnedSettings;
  /** To name rows that do not fit. */
  readonly key: Key;
}

/** A chunk that is about to be committed. */
export interface CopiedChunk {
  readonly blocks: BlockRange;
  readonly rows: number;
}

/** Blocks of the source's heap: `from` included, `to` not. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}
