/** Which blocks are still to be copied. Pure: positions are plain ranges, kept in the state as they are. */
import type { BlockRange } from './copy-plan.js';

/** Sorted, without overlaps, neighbours joined, empty ones gone. */
export function mergeRanges(ranges: readonly BlockRange[]): BlockRange[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges
    .filter((range) => range.from < range.to)
    .toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** What is left of blocks 0 to `total` when `done` is taken away; `done` may overlap and reach beyond the end. */
export function remainingRanges(total: number, done: readonly BlockRange[]): BlockRange[] {
  const remaining: BlockRange[] = [];
  let from = 0;
  for (const range of mergeRanges(done)) {
    if (range.from > from) remaining.push({ from, to: Math.min(range.from, total) });
    from = Math.max(from, range.to);
  }
  remaining.push({ from, to: total });
  return remaining.filter((range) => range.from < range.to);
}

export function countBlocks(ranges: readonly BlockRange[]): number {
  return ranges.reduce((sum, range) => sum + range.to - range.from, 0);
}

/** The next chunk, of at most `blocks`, in physical order; null when nothing is left. */
export function takeChunk(
  remaining: readonly BlockRange[],
  blocks: number,
): { readonly chunk: BlockRange; readonly remaining: BlockRange[] } | null {
  const [first, ...rest] = remaining;
  if (first === undefined) return null;
  const to = Math.min(first.to, first.from + Math.max(1, Math.floor(blocks)));
  return {
    chunk: { from: first.from, to },
    remaining: to < first.to ? [{ from: to, to: first.to }, ...rest] : rest,
  };
}
