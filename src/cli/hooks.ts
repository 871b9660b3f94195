/**
 * `--hook EVENT=COMMAND`: what the user's own commands are told of a run, and what they may answer.
 *
 * A hook must not harm the run: it gets no password that it was not given by another way, its failure is a warning, and its
 * time is limited. Hooks run one after the other, so that whoever writes down what they are told has it in order.
 */
import { InvalidArgumentError } from '@commander-js/extra-typings';
import { sleep } from '../db/wait.js';
import { ExitCode } from '../errors.js';
import type { EventListener, MigrationEvent } from '../model/event.js';
import { phaseStoredBy } from '../model/phase.js';
import { duration } from '../report/format.js';
import { eventLine, failureLine, type FailureFields } from '../report/json-lines.js';
import type { Redact } from '../report/redact.js';
import type { Environment } from './given-connection.js';
import { runShell, type ShellResult } from './shell.js';

const hookEvents = [
  'started',
  'phase',
  'throttled',
  'before-cutover',
  'after-cutover',
  'done',
  'failed',
] as const;
export type HookEvent = (typeof hookEvents)[number];

export interface Hook {
  readonly event: HookEvent;
  /** For `/bin/sh -c`. */
  readonly command: string;
}

/** `after-cutover=./notify.sh`: the first `=` is the one. */
export function hookOption(text: string): Hook {
  const [, name, command = ''] = /^\s*([a-z-]+)\s*=(.*)$/s.exec(text) ?? [];
  const event = hookEvents.find((each) => each === name);
  if (event === undefined || command.trim() === '') {
    throw new InvalidArgumentError(`It takes EVENT=COMMAND; EVENT is one of ${hookEvents.join(', ')}.`);
  }
  return { event, command: command.trim() };
}

export interface HooksOptions {
  /** Of the user; the passwords are taken out of it here. */
  readonly env: Environment;
  readonly redact: Redact;
  /** Told what a hook failed with, redacted. */
  readonly warn: (message: string) => void;
  /** Told which hook holds up the end of the run. */
  readonly waiting?: (event: HookEvent) => void;
  /** Ends the hooks that run now: the user cancels. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** A message to a chat or a ticket takes seconds; what takes longer should go on by itself in the background. */
const defaultTimeoutMs = 60_000;
/** A run that says nothing for longer than this looks as if it hung. */
const quietMs = 1000;
/** In a warning. The end of an output says what went wrong. */
const shownCharacters = 2048;
/** In the line of a display. */
const saidCharacters = 200;
/** A hook is not who connects: whoever wants one to do so has its own way to the password. */
const secretVariables = ['PGPASSWORD', 'DATABASE_URL'];

interface Told {
  readonly id: number | null;
  readonly table: string;
  readonly phase: string;
  /** One JSON object. */
  readonly line: string;
}

export class Hooks {
  readonly #hooks: readonly Hook[];
  readonly #options: HooksOptions;
  readonly #timeoutMs: number;
  readonly #ended = new AbortController();
  /** What was fired so far, one after the other; never rejects. */
  #fired: Promise<void> = Promise.resolve();
  /** The one of them that runs now. */
  #running: HookEvent | null = null;
  #table = '';
  #phase = '';
  #isStarted = false;
  #isThrottled = false;

  constructor(hooks: readonly Hook[], options: HooksOptions) {
    this.#hooks = hooks;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  }

  /** Returns at once; what it has fired, `close` waits for. */
  readonly listener: EventListener = (event) => {
    if (event.event === 'migration:started' || event.event === 'migration:done') this.#table = event.table;
    if (event.event === 'migration:started' || event.event === 'phase:started') this.#phase = event.phase;
    if (event.event === 'migration:done' && event.id !== null) this.#phase = phaseStoredBy('swap');
    const hook = this.#hookOf(event);
    if (hook !== null) this.#fire(hook, { ...this.#where, id: event.id, line: eventLine(event) });
  };

  /** Asks the `before-cutover` hooks in their order; the first that says no has the last word. */
  readonly beforeCutover = async (migration: {
    readonly id: number;
    readonly table: string;
  }): Promise<{ readonly ok: boolean; readonly said: string }> => {
    let said = '';
    for (const { command } of this.#hooksFor('before-cutover')) {
      const line = JSON.stringify({
        event: 'before-cutover',
        ...migration,
        phase: this.#phase,
        at: new Date().toISOString(),
      });
      const result = await this.#run(
        { event: 'before-cutover', command },
        { ...this.#where, ...migration, line },
      );
      const why = failureOf(result, this.#timeoutMs);
      const output = this.#tail(result.output, saidCharacters).replaceAll(/\s+/g, ' ').trim();
      if (why !== null) return { ok: false, said: output === '' ? `it ${why}` : output };
      said = output;
    }
    return { ok: true, said };
  };

  /** There is no event for a failure: it is what the command ends with. Who stopped the run knows it already. */
  failed(failure: FailureFields, id: number | null): void {
    if (failure.exitCode === ExitCode.interrupted) return;
    this.#fire('failed', { ...this.#where, id, line: failureLine(failure, id, new Date()) });
  }

  /** Waits for the hooks that were fired, but not longer than one of them may take. */
  async close(): Promise<void> {
    const enough = new AbortController();
    const after = (ms: number, act: () => void): Promise<void> =>
      sleep(ms, enough.signal).then(act, () => undefined);
    const told = after(quietMs, () => {
      if (this.#running !== null) this.#options.waiting?.(this.#running);
    });
    const late = after(this.#timeoutMs, () => this.#ended.abort());
    await Promise.race([this.#fired, late]);
    enough.abort();
    await told;
    await this.#fired;
  }

  get #where(): { readonly table: string; readonly phase: string } {
    return { table: this.#table, phase: this.#phase };
  }

  #hooksFor(event: HookEvent): Hook[] {
    return this.#hooks.filter((hook) => hook.event === event);
  }

  #hookOf(event: MigrationEvent): HookEvent | null {
    switch (event.event) {
      case 'migration:started': {
        // Also told when it has connected again.
        const isFirst = !this.#isStarted;
        this.#isStarted = true;
        this.#isThrottled = false;
        return isFirst ? 'started' : null;
      }
      case 'phase:started':
        return 'phase';
      case 'throttle': {
        // Once for each pause, not for each of its reasons.
        const begins = event.kind !== 'go' && !this.#isThrottled;
        this.#isThrottled = event.kind !== 'go';
        return begins ? 'throttled' : null;
      }
      case 'cutover:done':
        return 'after-cutover';
      case 'migration:done':
        return 'done';
      default:
        return null;
    }
  }

  #fire(event: HookEvent, told: Told): void {
    for (const hook of this.#hooksFor(event)) {
      this.#fired = this.#fired.then(async () => {
        this.#running = event;
        const result = await this.#run(hook, told);
        this.#running = null;
        const why = failureOf(result, this.#timeoutMs);
        if (why === null) return;
        const output = this.#tail(result.output, shownCharacters).trim();
        this.#options.warn(`the ${event} hook ${why}${output === '' ? '' : `: ${output}`}`);
      });
    }
  }

  async #run({ event, command }: Hook, { id, table, phase, line }: Told): Promise<ShellResult> {
    const signals = [this.#ended.signal, this.#options.signal].filter((signal) => signal !== undefined);
    return await runShell(command, {
      env: {
        ...Object.fromEntries(
          Object.entries(this.#options.env).filter(([name]) => !secretVariables.includes(name)),
        ),
        PG_GHOST_EVENT: event,
        PG_GHOST_MIGRATION: id === null ? '' : String(id),
        PG_GHOST_TABLE: table,
        PG_GHOST_PHASE: phase,
      },
      input: `${line}\n`,
      timeoutMs: this.#timeoutMs,
      signal: AbortSignal.any(signals),
    });
  }

  /** Masked before it is cut: half a password is not recognised. */
  #tail(output: string, characters: number): string {
    return this.#options.redact(output).slice(-characters);
  }
}

/** As the end of a sentence; null when it did well. */
function failureOf({ end }: ShellResult, timeoutMs: number): string | null {
  switch (end.kind) {
    case 'exit':
      return end.code === 0 ? null : `failed with exit code ${end.code}`;
    case 'signal':
      return `was ended by ${end.signal}`;
    case 'timeout':
      return `took longer than ${duration(timeoutMs / 1000)} and was ended`;
    case 'aborted':
      return 'was ended with the run';
    case 'not-started':
      return `could not be started (${end.message})`;
  }
}
