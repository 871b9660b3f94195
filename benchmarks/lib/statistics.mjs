/** Medians and ratios. Machines are noisy: a figure without its spread says little. */

/**
 * @typedef {object} Figure
 * @property {number} median
 * @property {number} p95
 * @property {number} min
 * @property {number} max
 * @property {readonly number[]} all in the order of measuring
 */

/**
 * @param {readonly number[]} values
 * @returns {Figure}
 */
export function figure(values) {
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
 * @param {readonly number[]} values
 * @param {readonly number[]} beside of the same rounds
 * @returns {Figure}
 */
export function ratio(values, beside) {
  return figure(values.map((value, index) => value / (beside[index] ?? Number.NaN)));
}

/**
 * @param {readonly number[]} sorted
 * @param {number} part
 */
function quantile(sorted, part) {
  const position = part * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/**
 * Every measurement once a round, every other round in reverse: neither profits from always coming second.
 *
 * @template T
 * @param {readonly T[]} measurements
 * @param {number} round from 0
 * @returns {readonly T[]}
 */
export function inTurn(measurements, round) {
  return round % 2 === 0 ? measurements : measurements.toReversed();
}
