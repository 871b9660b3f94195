/** Medians and ratios. Machines are noisy: a figure without its spread says little. */

export interface Figure {
  readonly median: number;
  readonly p95: number;
  readonly min: number;
  readonly max: number;
  /** In the order of measuring */
  readonly all: readonly number[];
}

export function figure(values: readonly number[]): Figure {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
    all: values,
  };
}

/**
 * Of each round by itself: what slows a whole round down is in both and drops out.
 *
 * @param beside of the same rounds
 */
export function ratio(values: readonly number[], beside: readonly number[]): Figure {
  return figure(values.map((value, index) => value / (beside[index] ?? Number.NaN)));
}

function quantile(sorted: readonly number[], part: number) {
  const position = part * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/**
 * Every measurement once a round, every other round in reverse: neither profits from always coming second.
 *
 * @param round from 0
 */
export function inTurn<T>(measurements: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? measurements : measurements.toReversed();
}
