/** A part of a table by physical position. Positions are numbers here so that a range can be halved down to one row. */

/** Offsets within a block start at 1; a 32 KB block has at most 1,170. */
const offsetsPerBlock = 2048;

export interface RowRange {
  /** Included. */
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

export function blocksRange(from: number, to: number): RowRange {
  return { from: from * offsetsPerBlock, to: to * offsetsPerBlock };
}

/** `(block,offset)`. */
export function tid(position: number): string {
  return `(${Math.floor(position / offsetsPerBlock)},${position % offsetsPerBlock})`;
}

/** Two parts, between blocks as long as there are several; null when there is but one position left. */
export function halves({ from, to }: RowRange): [RowRange, RowRange] | null {
  if (to - from <= 1) return null;
  const middle = Math.floor((from + to) / 2);
  const boundary = Math.floor(middle / offsetsPerBlock) * offsetsPerBlock;
  const at = boundary > from ? boundary : middle;
  return [
    { from, to: at },
    { from: at, to },
  ];
}
