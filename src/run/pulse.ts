/**
 * The run's sign of life, on a session of its own: where it stands, every second; and its ear: commands arrive here, and are
 * answered at once. A process that is frozen says nothing, and after a while somebody else may take over; one whose pulse
 * session is gone stops as if it had lost the others.
 *
 * Nothing but the loss of its session ends it: a living run that says nothing would be taken over. What the server refuses
 * (somebody cancels the statement, has a lock on the state, the disk is full) is told, and tried again at the next beat.
 */
import { sleep } from '../db/wait.js';
import type { Session } from '../db/session.js';
import { relaxedCommit } from '../db/settings.js';
import { messageOf } from '../db/sqlstate.js';
import type { Emit } from '../model/event.js';
import type { ProgressState } from '../model/progress.js';
import { answerCommand, commandChannel, openCommands } from '../state/commands.js';
import type { Answer, Command } from '../state/stored-json.js';
import type { RunWord } from '../state/stored-json.js';
import { writeProgress } from '../state/stored-progress.js';
import type { EventBook } from './event-book.js';
import type { LedgerBook } from './ledger-book.js';
import type { Steering } from './steering.js';

const everyMs = 1000;
/** Without a word for so long, a runner counts as frozen or unreachable: a minute is a long pause for a second's beat. */
export const staleSeconds = 60;

/**
 * One part of a beat must not wait for a lock as long as the whole pulse is given; nor for a synchronous standby that is gone,
 * which would keep every commit waiting without any error.
 */
export const pulseSettings: Readonly<Record<string, string>> = { ...relaxedCommit, lock_timeout: '5s' };

/** What a beat consists of; each may fail by itself, and the others still come. */
type Part = 'progress' | 'ledger' | 'events' | 'commands' | 'listen';

const partTexts: Readonly<Record<Part, string>> = {
  progress: 'say in the state where it stands',
  ledger: 'keep its locks in the state',
  events: 'keep what it has done in the state',
  commands: 'read or answer commands',
  listen: 'listen for commands (it looks for them once a second)',
};

export interface PulseOptions {
  readonly session: Session;
  readonly id: number;
  readonly state: () => ProgressState;
  readonly steering: Steering;
  readonly ledger: LedgerBook;
  readonly events: EventBook;
  readonly emit: Emit;
}

export class Pulse {
  readonly session: Session;
  readonly #stop = new AbortController();
  readonly #beating: Promise<void>;
  #wake = new AbortController();
  #listens = false;
  /** What failed at the last beat, so that it is told once. */
  readonly #failing = new Set<Part>();
  /** What was done and told, and could not be written yet: a command is not done twice. */
  readonly #unwritten = new Map<number, Answer>();

  constructor(private readonly options: PulseOptions) {
    this.session = options.session;
    this.#beating = this.#beat();
  }

  async #beat(): Promise<void> {
    const { session, steering } = this.options;
    const stopped = this.#stop.signal;
    steering.hurry = () => this.#wake.abort();
    while (!stopped.aborted && !session.lost.aborted) {
      this.#wake = new AbortController();
      if (!this.#listens) await this.#part('listen', () => this.#listen());
      await this.#once({ isLast: false });
      await sleep(everyMs, AbortSignal.any([stopped, this.#wake.signal])).catch(() => undefined);
    }
    if (!session.lost.aborted) await this.#once({ isLast: true });
  }

  async #listen(): Promise<void> {
    const { session, id } = this.options;
    await session.listen(commandChannel, (payload) => {
      if (payload === String(id)) this.#wake.abort();
    });
    this.#listens = true;
  }

  async #once({ isLast }: { readonly isLast: boolean }): Promise<void> {
    const { session, id, ledger, events } = this.options;
    await this.#part('progress', () => writeProgress(session, id, this.#word()));
    await this.#part('ledger', () => ledger.save(session, id));
    await this.#part('events', () => events.save(session, id));
    await this.#part('commands', () => this.#answer(isLast));
  }

  /** Never rejects. Where the session is lost the run is told so by the session itself. */
  async #part(part: Part, work: () => Promise<void>): Promise<void> {
    const { session, emit } = this.options;
    if (session.lost.aborted) return;
    try {
      await work();
      this.#failing.delete(part);
    } catch (error) {
      if (session.lost.aborted || this.#failing.has(part)) return;
      this.#failing.add(part);
      emit('warning', {
        code: 'pulse-failed',
        message: `the run could not ${partTexts[part]}: ${messageOf(error)}; it goes on, and tries again every second`,
      });
    }
  }

  /** The run's word as `status` reads it. */
  #word(): RunWord {
    const { state, steering } = this.options;
    return { state: state(), settings: steering.current };
  }

  /**
   * Does what was asked, and answers. The answer is written together with where the run stands then: whoever has read it
   * finds in `status` what it says.
   */
  async #answer(isLast: boolean): Promise<void> {
    const { session, id } = this.options;
    for (const command of await openCommands(session, id)) {
      const answer = this.#answerTo(command, isLast);
      if (answer === null) continue;
      await session.transaction(async () => {
        await writeProgress(session, id, this.#word());
        await answerCommand(session, command.id, answer);
      });
      this.#unwritten.delete(command.id);
    }
  }

  #answerTo(command: Command, isLast: boolean): Answer | null {
    const { steering, emit } = this.options;
    const known = this.#unwritten.get(command.id);
    if (known !== undefined) return known;
    const answer = steering.answerTo(command, { isLast });
    if (answer === null) return null;
    this.#unwritten.set(command.id, answer);
    emit('run:asked', { name: command.name, ok: answer.ok, said: answer.said });
    return answer;
  }

  /** Says the last word. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#beating;
  }
}
