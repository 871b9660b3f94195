/**
 * What a run can be asked to do while it works: the commands that arrive through the state, and what they change. Everything
 * that may change during a run is here; the phases ask.
 */
import { advice, named, type Text } from '../advice.js';
import { messageOf } from '../db/sqlstate.js';
import type { Answer, Command } from '../state/stored-json.js';
import type { Throttle } from '../throttle/throttle.js';
import { applySetting, currentSettings, type SettingValue } from '../settings/settable.js';
import type { RunSettings } from '../settings/run-settings.js';

const alreadySwapped: Answer = { ok: false, said: 'the tables are swapped already' };

export class Steering {
  #settings: RunSettings;
  #wishes = 0;
  /** Commands that wait for a rehearsal, in their order. */
  readonly #wanted: number[] = [];
  /** What they came to, told at the next beat; null while it is not known. */
  readonly #rehearsals = new Map<number, Answer | null>();
  #resize = new AbortController();
  #waiting = false;
  /** By whom; null: it is not. */
  #pausedBy: string | null = null;
  #swap: 'ahead' | 'tried' | 'done' = 'ahead';
  #throttle: Throttle | null = null;
  /** Called when there is something to answer. */
  hurry: (() => void) | null = null;

  constructor(settings: RunSettings) {
    this.#settings = settings;
  }

  get settings(): RunSettings {
    return this.#settings;
  }

  /** By the names of the command line's options, as `set` takes them. */
  get current(): Readonly<Record<string, SettingValue>> {
    return currentSettings(this.#settings);
  }

  get swap(): 'ahead' | 'tried' | 'done' {
    return this.#swap;
  }

  /** While a try for the swap is under way nobody is told that it waits; after the swap nothing is left to steer. */
  set swap(state: 'ahead' | 'tried' | 'done') {
    const wasTried = this.#swap === 'tried';
    this.#swap = state;
    // Who asked for a pause meanwhile waits for the answer.
    if (wasTried) this.hurry?.();
  }

  /** Aborts when the number of workers has changed; there is another one from then on. */
  get resized(): AbortSignal {
    return this.#resize.signal;
  }

  get throttle(): Throttle | null {
    return this.#throttle;
  }

  /** A run that has connected again has another one: who paused it has paused the run, not the connection. */
  set throttle(throttle: Throttle | null) {
    this.#throttle = throttle;
    if (this.#pausedBy !== null) throttle?.pause(`paused by ${this.#pausedBy}`);
  }

  /** How often the swap was asked for: each time counts, since a hook may have said no to the last one. */
  get cutoverWishes(): number {
    return this.#wishes;
  }

  get cutoverWasAskedFor(): boolean {
    return this.#wishes > 0;
  }

  /** While the run waits with its swap it can be asked for it, and for a rehearsal. */
  set isWaiting(waiting: boolean) {
    this.#waiting = waiting;
    if (waiting) return;
    for (let answer = this.takeRehearsal(); answer !== null; answer = this.takeRehearsal())
      answer({ ok: false, said: 'the swap is not postponed any more: there is nothing to rehearse' });
  }

  /** The rehearsal that was asked for, if any: whoever takes it answers, whatever happens. */
  takeRehearsal(): ((answer: Answer) => void) | null {
    const command = this.#wanted.shift();
    if (command === undefined) return null;
    return (answer) => {
      this.#rehearsals.set(command, answer);
      this.hurry?.();
    };
  }

  /**
   * Does what was asked. Null while there is no answer yet: a rehearsal takes its time (it waits for locks, and who answers is
   * also the run's sign of life), and a pause does not interrupt a try for the swap.
   *
   * @param isLast nobody works any more: only what is known is told
   */
  answerTo(command: Command, { isLast = false }: { readonly isLast?: boolean } = {}): Answer | null {
    if (isLast) return this.#rehearsals.get(command.id) ?? null;
    try {
      return this.#handle(command);
    } catch (error) {
      return { ok: false, said: messageOf(error) };
    }
  }

  #handle({ id, name, arguments: args }: Command): Answer | null {
    if (args === null)
      return { ok: false, said: `this run cannot read the arguments of ${JSON.stringify(name)}` };
    switch (name) {
      case 'pause':
        if (this.#swap === 'tried') return null;
        if (this.#swap === 'done') return alreadySwapped;
        this.#pausedBy = typeof args['by'] === 'string' ? args['by'] : 'request';
        this.throttle?.pause(`paused by ${this.#pausedBy}`);
        return { ok: true, said: 'paused: copy, verification and swap wait; the log goes on being applied' };
      case 'unpause':
        this.#pausedBy = null;
        this.throttle?.unpause();
        return { ok: true, said: this.#unpaused() };
      case 'set':
        return this.#set(args);
      case 'cutover':
        if (this.#swap === 'done') return alreadySwapped;
        this.#wishes += 1;
        return { ok: true, said: this.#swapSoon() };
      case 'rehearse':
        return this.#rehearse(id);
      default:
        // Of a newer version, or somebody wrote it by hand.
        return { ok: false, said: `this run does not know the command ${JSON.stringify(name)}` };
    }
  }

  #swapSoon(): Text {
    if (this.#pausedBy !== null)
      return advice`it is paused: the swap will be tried after ${named('unpause')}, and not be postponed`;
    return this.#waiting || this.#swap === 'tried'
      ? 'the swap is being tried now'
      : 'the swap will be tried as soon as the new table is ready, and not be postponed';
  }

  #rehearse(command: number): Answer | null {
    const known = this.#rehearsals.get(command);
    if (known !== undefined) {
      if (known !== null) this.#rehearsals.delete(command);
      return known;
    }
    if (!this.#waiting) {
      return {
        ok: false,
        said: 'the new table is not ready: it can be rehearsed while the swap is postponed',
      };
    }
    this.#rehearsals.set(command, null);
    this.#wanted.push(command);
    return null;
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
    if (keys.includes('workers')) {
      // Who hears of it asks for the next one at once.
      const resized = this.#resize;
      this.#resize = new AbortController();
      resized.abort();
    }
    return {
      ok: true,
      said: Object.entries(args)
        .map(([key, value]) => `${key} is ${String(value)} now`)
        .join(', '),
    };
  }
}
