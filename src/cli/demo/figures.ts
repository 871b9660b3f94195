/** What a run of the demo is measured by, taken from its events and from the application's own clock. */
import type { EventListener } from '../../model/event.js';
import { count, milliseconds } from '../../report/format.js';
import { grid } from '../../report/text-layout.js';
import { slowest, type ShopApplication } from './application.js';

/** Moments as `performance.now()`, to compare with the samples of the application. */
export class Stopwatch {
  #startedAt: number | null = null;
  #cutoverAt: number | null = null;
  #swappedAt: number | null = null;
  #rowsCopied = 0;
  #copySeconds: number | null = null;

  readonly listener: EventListener = (event) => {
    const now = performance.now();
    if (event.event === 'migration:started') this.#startedAt = now;
    // A cutover may take several tries; from the first the application can feel it.
    if (event.event === 'cutover:try') this.#cutoverAt ??= now;
    if (event.event === 'cutover:done') this.#swappedAt = now;
    if (event.event === 'copy:progress') this.#rowsCopied = event.rowsCopied;
    if (event.event === 'phase:done' && event.phase === 'copy') this.#copySeconds = event.seconds;
  };

  get rowsPerSecond(): number | null {
    return this.#copySeconds === null ? null : this.#rowsCopied / Math.max(0.001, this.#copySeconds);
  }

  figures(application: ShopApplication, holdMs: number): string[] {
    const start = this.#startedAt ?? performance.now();
    const cutover = this.#cutoverAt ?? start;
    const swapped = this.#swappedAt ?? cutover;
    const worst = (from: number, to: number): string => {
      const ms = slowest(application.samples, from, to);
      return ms === null ? 'none ran' : milliseconds(ms);
    };
    const { rowsPerSecond } = this;
    const { inserted, updated, deleted } = application.counts;
    return grid([
      ['lock held by the swap', milliseconds(holdMs)],
      ['rows copied', rowsPerSecond === null ? 'not measured' : `${count(rowsPerSecond)} a second`],
      [
        'writes committed',
        `${count(application.writes)} (${count(application.writesPerSecond)} a second): ${count(inserted)} inserts, ${count(updated)} updates, ${count(deleted)} deletes`,
      ],
      ['slowest query before', worst(0, start)],
      ['slowest query until the swap', worst(start, cutover)],
      ['slowest query around the swap', worst(cutover, swapped)],
    ]);
  }
}
