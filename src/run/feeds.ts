/** Beside a run, from the end of prepare to the swap: what brings keys into the logs, where the application's writes do not. */
import type { Following } from '../capture/capture.js';
import { isConnectionLost } from '../db/sqlstate.js';
import { isSwapped } from '../model/phase.js';
import { sleep } from '../db/wait.js';
import { findMigration } from '../state/migrations.js';
import { SessionLost } from './interrupt.js';
import type { RunContext, TableContext } from './context.js';

const pauseMs = 50;

export class Feeds implements AsyncDisposable {
  readonly #failed = new AbortController();
  #running: Following[] = [];
  #isOver = false;

  constructor(private readonly run: Pick<RunContext, 'id' | 'sessions' | 'watcher' | 'steering'>) {}

  /** Aborts when one of them has failed: without it nothing can be known to be complete. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  async start(tables: readonly TableContext[]): Promise<void> {
    const { sessions } = this.run;
    for (const { capture, plan } of tables) {
      const following = await capture.follow({
        connection: sessions.connection,
        open: (purpose, settings) => sessions.open(purpose, settings),
        table: plan.source,
      });
      if (following === null) continue;
      this.#running.push(following);
      following.ended.addEventListener('abort', () => void this.#end(following.ended.reason), { once: true });
    }
  }

  /** The publications go with the swap, and then the streams end as well. */
  async #end(error: unknown): Promise<void> {
    // Their end may be heard of before the commit that is the reason.
    while (this.run.steering.swap === 'tried' && !this.#isOver) await sleep(pauseMs);
    if (this.#isOver || (await this.#isSwapped())) return;
    this.#failed.abort(isConnectionLost(error) ? new SessionLost(error) : error);
  }

  async #isSwapped(): Promise<boolean> {
    const record = await findMigration(this.run.watcher, this.run.id).catch(() => null);
    return record !== null && isSwapped(record.phase);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running.splice(0).map((following) => following[Symbol.asyncDispose]()));
  }
}
