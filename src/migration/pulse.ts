/**
 * The run's sign of life, on a session of its own: where it stands, every second; and its ear: commands arrive here, and are
 * answered at once. A process that is frozen says nothing, and after a while somebody else may take over; one whose pulse
 * session is gone stops as if it had lost the others.
 */
import { sleep } from '../db/wait.js';
import type { Session } from '../db/session.js';
import type { Emit } from '../report/events.js';
import type { ProgressState } from '../report/progress.js';
import { commandChannel, type Answer, type CommandName } from '../state/commands.js';
import { writeProgress } from '../state/progress.js';
import type { LedgerBook } from './ledger-book.js';
import type { Steering } from './steering.js';

const everyMs = 1000;
/** Without a word for so long, a runner counts as frozen or unreachable: a minute is a long pause for a second's beat. */
export const staleSeconds = 60;

export interface PulseOptions {
  readonly session: Session;
  readonly id: number;
  readonly state: () => ProgressState;
  readonly steering: Steering;
  readonly ledger: LedgerBook;
  readonly emit: Emit;
}

export class Pulse {
  readonly session: Session;
  readonly #stop = new AbortController();
  readonly #beating: Promise<void>;
  #wake = new AbortController();

  constructor(private readonly options: PulseOptions) {
    this.session = options.session;
    this.#beating = this.#beat();
  }

  async #beat(): Promise<void> {
    const { session, id, state, steering, ledger, emit } = this.options;
    const stopped = this.#stop.signal;
    steering.hurry = () => this.#wake.abort();
    const told = (name: CommandName, { ok, said }: Answer): void => emit('run:asked', { name, ok, said });
    try {
      await session.listen(commandChannel, (payload) => {
        if (payload === String(id)) this.#wake.abort();
      });
      while (!stopped.aborted) {
        this.#wake = new AbortController();
        await writeProgress(session, id, { ...state() });
        await ledger.save(session, id);
        await steering.answer(session, id, told);
        await sleep(everyMs, AbortSignal.any([stopped, this.#wake.signal])).catch(() => undefined);
      }
      await writeProgress(session, id, { ...state() });
      await ledger.save(session, id);
      await steering.answer(session, id, told, { isLast: true });
    } catch {
      // The session is lost, and the run is told so by the session itself.
    }
  }

  /** Says the last word. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#beating;
  }
}
