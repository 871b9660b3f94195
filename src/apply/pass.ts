/** Does apply keep up with the application? From what its passes found and how long they took. Pure. */

/** One pass over the log. */
export interface Pass {
  readonly entries: number;
  readonly durationMs: number;
}

/** A pass with less is over so soon that nothing follows from it. */
const worthHelp = 20_000;
/** Passes in a row that did not get shorter. */
const patience = 3;

/**
 * How many sessions the next pass should have. What a pass finds was written during the one before it, so a pass that finds as
 * much as that one did will not be the last.
 */
export function workersFor(passes: readonly Pass[], workers: number, maxWorkers: number): number {
  const [before, last] = passes.slice(-2);
  if (before === undefined || last === undefined || last.entries < worthHelp) return workers;
  return last.entries > before.entries / 2 ? Math.min(workers + 1, maxWorkers) : workers;
}

export interface Rates {
  /** Keys a second. */
  readonly written: number;
  readonly applied: number;
}

/** The rates when the last passes did not get shorter; null when apply keeps up, or nobody knows yet. */
export function isOutrun(passes: readonly Pass[]): Rates | null {
  const recent = passes.slice(-patience - 1);
  const [before, last] = recent.slice(-2);
  if (recent.length <= patience || before === undefined || last === undefined) return null;
  const isGrowing = recent.every(
    (pass, index) => index === 0 || pass.entries >= (recent[index - 1]?.entries ?? 0) * 0.95,
  );
  if (!isGrowing || last.entries < worthHelp) return null;
  return {
    written: Math.round((last.entries * 1000) / Math.max(before.durationMs, 1)),
    applied: Math.round((last.entries * 1000) / Math.max(last.durationMs, 1)),
  };
}
