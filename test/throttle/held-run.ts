/** A run that a test holds at a point, and what it has told so far. */
import { type MigrationEvent, type RunSettings, migrate } from '../../src/index.js';
import { runChange, type ChangeInput, type Recorded } from '../support/migration.js';
import { until } from '../support/until.js';

type Point = Parameters<NonNullable<Parameters<typeof migrate>[0]['onPoint']>>[0];

export class HeldRun {
  readonly ended: Promise<Recorded>;
  readonly events: MigrationEvent[] = [];
  isOver = false;
  #chunks = 0;
  #holdAt: Point | null = null;
  #held: (() => void)[] = [];

  constructor(
    url: string,
    change: ChangeInput,
    { holdAt, ...settings }: Partial<RunSettings> & { readonly holdAt?: Point },
  ) {
    this.#holdAt = holdAt ?? null;
    this.ended = runChange({ url }, change, {
      settings,
      onEvent: (event) => this.events.push(event),
      onPoint: async (point) => {
        if (point === 'chunk-copied') this.#chunks += 1;
        if (point === this.#holdAt) await new Promise<void>((resolve) => this.#held.push(resolve));
      },
    }).finally(() => (this.isOver = true));
    this.ended.catch(() => {});
  }

  /** Chunks that were copied. */
  get chunks(): number {
    return this.#chunks;
  }

  /** Why copy and verification are held up; empty when they are not. */
  get throttledBy(): readonly string[] {
    const last = this.events.findLast((event) => event.event === 'throttle');
    return last === undefined || last.kind === 'go' ? [] : last.reasons.map(({ text }) => text);
  }

  count(name: MigrationEvent['event']): number {
    return this.events.filter(({ event }) => event === name).length;
  }

  /** Waits until so many workers are held. */
  async held(count = 1): Promise<void> {
    await this.#until(() => this.#held.length >= count, `${count} workers at ${this.#holdAt}`);
  }

  /** Lets all go that are held, and holds at another point, if any. */
  letGo(holdAt: Point | null = null): void {
    this.#holdAt = holdAt;
    for (const letGo of this.#held.splice(0)) letGo();
  }

  async throttled(...reasons: readonly RegExp[]): Promise<void> {
    await this.#until(
      () => reasons.every((reason) => this.throttledBy.some((text) => reason.test(text))),
      `it to be throttled by ${reasons.map(String).join(', ')}`,
    );
  }

  async unthrottled(): Promise<void> {
    await this.#until(() => this.throttledBy.length === 0, 'it to be let go');
  }

  async told(name: MigrationEvent['event']): Promise<void> {
    await this.#until(() => this.count(name) > 0, name);
  }

  /** What never comes because the run has ended is not waited for. */
  async #until(condition: () => boolean, what: string): Promise<void> {
    await until(
      async () => {
        if (condition()) return true;
        if (this.isOver) await this.ended.then(() => Promise.reject(new Error(`over, without ${what}`)));
        return false;
      },
      { what },
    );
  }
}
