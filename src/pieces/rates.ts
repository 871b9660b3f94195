/** How fast work goes: over the last seconds, and no estimate where there is none. Pure. */

/** How much of each thing that is counted: blocks, rows. */
export type Amounts<Unit extends string> = Readonly<Record<Unit, number>>;

/** What was done by then, in all. */
export interface Sample<Unit extends string> {
  readonly atMs: number;
  readonly done: Partial<Amounts<Unit>>;
}

/** Long enough to smooth pieces out, short enough to show that throttling began. */
const windowMs = 5_000;
/** A rate over less says nothing. */
const minSpanMs = 1_000;

/** Adds a sample and forgets those that are older than the window, but for the newest of them. */
export function addSample<Unit extends string>(
  samples: readonly Sample<Unit>[],
  sample: Sample<Unit>,
): Sample<Unit>[] {
  const all = [...samples, sample];
  const firstInside = all.findIndex((each) => each.atMs >= sample.atMs - windowMs);
  return all.slice(Math.max(0, firstInside - 1));
}

/** Of each thing a second; null until there is something to measure. What a sample does not name was none. */
export function ratesOf<Unit extends string>(samples: readonly Sample<Unit>[]): Amounts<Unit> | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < minSpanMs) return null;
  const seconds = (last.atMs - first.atMs) / 1000;
  const rates = mapAmounts(last.done, (done, unit) => (done - (first.done[unit] ?? 0)) / seconds);
  return rates as Amounts<Unit>;
}

export function addAmounts<Unit extends string>(
  sum: Partial<Amounts<Unit>>,
  more: Amounts<Unit>,
): Amounts<Unit> {
  return mapAmounts(more, (amount, unit) => (sum[unit] ?? 0) + amount) as Amounts<Unit>;
}

export function etaSeconds(left: number, perSecond: number | null): number | null {
  if (left === 0) return 0;
  return perSecond === null || perSecond <= 0 ? null : left / perSecond;
}

function mapAmounts<Unit extends string>(
  amounts: Partial<Amounts<Unit>>,
  change: (amount: number, unit: Unit) => number,
): Partial<Amounts<Unit>> {
  const entries = Object.entries(amounts) as [Unit, number][];
  return Object.fromEntries(entries.map(([unit, amount]) => [unit, change(amount, unit)])) as Partial<
    Amounts<Unit>
  >;
}
