/**
 * The run's sign of life, on a session of its own: where it stands, every second. A process that is frozen says nothing, and
 * after a while somebody else may take over; one whose pulse session is gone stops as if it had lost the others.
 */
import { sleep } from '../db/wait.js';
import type { Session } from '../db/session.js';
import type { ProgressState } from '../report/progress.js';
import { writeProgress } from '../state/progress.js';

const everyMs = 1000;
/** Without a word for so long, a runner counts as frozen or unreachable: a minute is a long pause for a second's beat. */
export const staleSeconds = 60;

export class Pulse {
  readonly #stop = new AbortController();
  readonly #beating: Promise<void>;

  constructor(
    readonly session: Session,
    id: number,
    state: () => ProgressState,
  ) {
    this.#beating = this.#beat(id, state);
  }

  async #beat(id: number, state: () => ProgressState): Promise<void> {
    const { signal } = this.#stop;
    try {
      for (;;) {
        await writeProgress(this.session, id, { ...state() });
        await sleep(everyMs, signal);
      }
    } catch {
      // Ended by `close`, or the session is lost, which the run is told by the session itself.
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#beating;
  }
}
