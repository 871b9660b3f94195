/** The other side of child.mjs: a run in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { MigrationResult, RunSettings } from '../../src/index.js';
import type { Point } from '../../src/run/points.js';
import { until } from '../support/database.js';
import { captureUnderTest, type ChangeInput, request } from '../support/migration.js';

const program = fileURLToPath(new URL('./child.mjs', import.meta.url));

interface Action {
  readonly point: Point;
  readonly nth?: number;
  readonly action: 'kill' | 'freeze' | 'hold';
}

export interface Line {
  readonly point?: Point;
  readonly nth?: number;
  readonly event?: string;
  readonly result?: Omit<MigrationResult, 'plan'>;
  readonly error?: { readonly code: string; readonly exitCode: number; readonly message: string };
}

export interface RunnerOptions {
  readonly url: string;
  readonly change: ChangeInput;
  /** Of what was swapped, instead of the change. */
  readonly command?: 'rollback' | 'rollforward' | 'finalize';
  readonly settings?: Partial<RunSettings>;
  readonly actions?: readonly Action[];
}

export interface Ending {
  readonly signal: NodeJS.Signals | null;
  readonly result: Line['result'];
  readonly error: Line['error'];
}

export class Runner implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  constructor({ url, change, command, settings, actions = [] }: RunnerOptions) {
    const work = {
      url,
      command,
      request: request(change),
      // As `runChange`: what is left then is the old table alone.
      settings: {
        cutoverDeadlineMs: 30_000,
        capture: captureUnderTest,
        withoutRollbackWindow: command === undefined,
        ...settings,
      },
      actions: actions.map((action) => ({ nth: 1, ...action })),
    };
    this.#child = spawn(process.execPath, [program, JSON.stringify(work)], {
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
    });
    this.#child.stdout.on('data', (data) => (this.#stdout += String(data)));
    this.#child.stderr.on('data', (data) => (this.#stderr += String(data)));
    // It may be gone before we have written to it.
    this.#child.stdin.on('error', () => {});
    this.#closed = once(this.#child, 'close');
  }

  get lines(): Line[] {
    const complete = this.#stdout.split('\n').slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Line);
  }

  has(point: Point, nth = 1): boolean {
    return this.lines.some((line) => line.point === point && line.nth === nth);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** @throws Error when the run ends without having been there */
  async reached(point: Point, nth = 1): Promise<void> {
    await this.#until(() => this.has(point, nth) || this.hasEnded, `the run to reach ${point}`);
    if (this.has(point, nth)) return;
    await this.#closed;
    throw new Error(`the run ended without ${point} (${nth}): ${this.#end()}`);
  }

  /** Lets it go on from `hold`. */
  release(): void {
    this.#child.stdin.write('go on\n');
  }

  kill(signal: 'SIGKILL' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async ended(): Promise<Ending> {
    await this.#until(() => this.hasEnded, 'the end of the run');
    await this.#closed;
    if (this.#stderr !== '') throw new Error(`the run wrote to stderr: ${this.#stderr}`);
    const last = this.lines.at(-1);
    return { signal: this.#child.signalCode, result: last?.result, error: last?.error };
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    try {
      await until(condition, { what, timeoutMs: 50_000 });
    } catch (cause) {
      throw new Error(`in vain: ${what}; it was at ${this.#end()}`, { cause });
    }
  }

  #end(): string {
    return `${this.#stdout.split('\n').slice(-4).join(' ')} ${this.#stderr}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
