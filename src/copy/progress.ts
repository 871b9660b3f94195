/** Honest progress: what is done, how fast over the last seconds, and no estimate where there is none. Pure. */
import type { EventMap } from '../model/event.js';

export type CopyProgress = EventMap['copy:progress'];

/** Long enough to smooth chunks out, short enough to show that throttling began. */
const windowMs = 5_000;
/** A rate over less says nothing. */
const minSpanMs = 1_000;

export interface Sample {
  readonly atMs: number;
  readonly blocks: number;
  readonly rows: number;
}

/** Adds a sample and forgets those that are older than the window, but for the newest of them. */
export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const all = [...samples, sample];
  const firstInside = all.findIndex((each) => each.atMs >= sample.atMs - windowMs);
  return all.slice(Math.max(0, firstInside - 1));
}

export interface Rates {
  readonly blocksPerSecond: number;
  readonly rowsPerSecond: number;
}

/** null until there is something to measure. */
export function ratesOf(samples: readonly Sample[]): Rates | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < minSpanMs) return null;
  const seconds = (last.atMs - first.atMs) / 1000;
  return {
    blocksPerSecond: (last.blocks - first.blocks) / seconds,
    rowsPerSecond: (last.rows - first.rows) / seconds,
  };
}

export function etaSeconds(remainingBlocks: number, rates: Rates | null): number | null {
  if (remainingBlocks === 0) return 0;
  return rates === null || rates.blocksPerSecond <= 0 ? null : remainingBlocks / rates.blocksPerSecond;
}
