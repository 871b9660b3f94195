/**
 * What a run can be asked to do while it works: the commands that arrive through the state, and what they change. Everything
 * that may change during a run is here; the phases ask.
 */
import type { Session } from '../db/session.js';
import { messageOf } from '../db/sqlstate.js';
import { answerCommand, openCommands, type Answer, type Command } from '../state/commands.js';
import type { Throttle } from '../throttle/throttle.js';
import { applySetting } from './settable.js';
import type { RunSettings } from './types.js';

export class Steering {
  #settings: RunSettings;
  #go = false;
  #rehearsal: ((answer: Answer) => void) | null = null;
  #resize = new AbortController();
  #waiting = false;
  throttle: Throttle | null = null;

  constructor(settings: RunSettings) {
    this.#settings = settings;
  }

  get settings(): RunSettings {
    return this.#settings;
  }

  /** Aborts when the number of workers or the size of pieces changed: whoever works in pieces begins again with the new one. */
  get resized(): AbortSignal {
    return this.#resize.signal;
  }

  get cutoverWasAskedFor(): boolean {
    return this.#go;
  }

  /** While the run waits with its swap it can be asked for it, and for a rehearsal. */
  set isWaiting(waiting: boolean) {
    this.#waiting = waiting;
  }

  /** The rehearsal that was asked for, if any: whoever takes it answers. */
  takeRehearsal(): ((answer: Answer) => void) | null {
    const asked = this.#rehearsal;
    this.#rehearsal = null;
    return asked;
  }

  /** Answers all open commands of the migration. */
  async answer(session: Session, migrationId: number): Promise<void> {
    for (const command of await openCommands(session, migrationId)) {
      const answer = await this.#handle(command).catch((error: unknown): Answer => ({
        ok: false,
        said: messageOf(error),
      }));
      await answerCommand(session, command.id, answer);
    }
  }

  async #handle({ name, arguments: args }: Command): Promise<Answer> {
    switch (name) {
      case 'pause':
        this.throttle?.pause('paused by pg-ghost pause');
        return { ok: true, said: 'paused: copy, verification and swap wait; the log goes on being applied' };
      case 'unpause':
        this.throttle?.unpause();
        return { ok: true, said: this.#unpaused() };
      case 'set':
        return this.#set(args);
      case 'cutover':
        this.#go = true;
        return {
          ok: true,
          said: this.#waiting
            ? 'the swap is being tried now'
            : 'the swap will be tried as soon as the new table is ready, and not be postponed',
        };
      case 'rehearse':
        if (!this.#waiting) {
          return {
            ok: false,
            said: 'the new table is not ready: it can be rehearsed while the swap is postponed',
          };
        }
        return await new Promise<Answer>((resolve) => {
          this.#rehearsal = resolve;
        });
    }
  }

  #unpaused(): string {
    const { current } = this.throttle ?? {};
    return current === undefined || current.kind === 'go'
      ? 'goes on'
      : `no longer paused, but held up: ${current.reasons.map(({ text }) => text).join('; ')}`;
  }

  #set(args: Readonly<Record<string, unknown>>): Answer {
    let settings = this.#settings;
    for (const [key, value] of Object.entries(args)) settings = applySetting(settings, key, String(value));
    this.#settings = settings;
    this.throttle?.update(settings.limits);
    const keys = Object.keys(args);
    if (keys.some((key) => key === 'workers' || key === 'chunk-time')) {
      this.#resize.abort();
      this.#resize = new AbortController();
    }
    return {
      ok: true,
      said: Object.entries(args)
        .map(([key, value]) => `${key} is ${String(value)} now`)
        .join(', '),
    };
  }
}
