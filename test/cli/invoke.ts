/** Runs the program in this process, on streams that remember, with a library that a test writes itself. */
import { EventEmitter } from 'node:events';
import { secretsFrom } from '../../src/cli/given-connection.js';
import { type Library, newOutcome } from '../../src/cli/invocation.js';
import { Output } from '../../src/cli/output.js';
import { runProgram } from '../../src/cli/program.js';
import { createRedactor } from '../../src/report/redact.js';

export class FakeStream extends EventEmitter {
  text = '';
  readonly isTTY = false;
  /** What follows fails, as when the reader of a pipe went away. */
  broken = false;

  write(text: string): void {
    if (!this.broken) this.text += text;
    else queueMicrotask(() => this.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })));
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  get objects(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

export interface Invoked {
  readonly exitCode: number;
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
}

export interface InvokeOptions {
  readonly library?: Partial<Library>;
  readonly env?: Readonly<Record<string, string>>;
  readonly signals?: EventEmitter;
  readonly stdout?: FakeStream;
}

const untouched = (): never => {
  throw new Error('the library must not be called here');
};

export async function invoke(args: readonly string[], options: InvokeOptions = {}): Promise<Invoked> {
  const { library = {}, env = {}, signals = new EventEmitter(), stdout = new FakeStream() } = options;
  const stderr = new FakeStream();
  const whole: Library = {
    plan: untouched,
    migrate: untouched,
    status: untouched,
    leftovers: async () => [],
    pause: untouched,
    unpause: untouched,
    set: untouched,
    cutover: untouched,
    verify: untouched,
    abort: untouched,
    rollback: untouched,
    rollforward: untouched,
    sync: untouched,
    finalize: untouched,
    ...library,
  };
  const exitCode = await runProgram(args, {
    stdout: new Output(stdout, env),
    stderr: new Output(stderr, env),
    env,
    signals,
    redact: createRedactor(secretsFrom(args, env)),
    end: () => {
      throw new Error('no test of this kind hangs');
    },
    library: () => Promise.resolve(whole),
    outcome: newOutcome(args.includes('--json')),
  });
  return { exitCode, stdout, stderr };
}
