/** One command line of the user, run by the shell, with an end in any case. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Environment } from './given-connection.js';

export interface ShellOptions {
  /** All of it. */
  readonly env: Environment;
  /** For its stdin. */
  readonly input: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface ShellResult {
  readonly end:
    | { readonly kind: 'exit'; readonly code: number }
    | { readonly kind: 'signal'; readonly signal: string }
    | { readonly kind: 'timeout' | 'aborted' }
    | { readonly kind: 'not-started'; readonly message: string };
  /** The last 16 kB of stdout and stderr together. */
  readonly output: string;
}

const keptBytes = 16 * 1024;
/** After its end; longer, and a process that it left in the background holds the pipe. */
const outputWithinMs = 500;

/** Rejects never. */
export async function runShell(command: string, options: ShellOptions): Promise<ShellResult> {
  const { env, input, timeoutMs, signal } = options;
  if (signal.aborted) return { end: { kind: 'aborted' }, output: '' };
  const child = spawn('/bin/sh', ['-c', command], {
    env: { ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // A process group of its own: all of it can be ended, and Ctrl-C at the terminal does not reach it.
    detached: true,
  });
  let cut = null as 'timeout' | 'aborted' | null;
  const end = (why: 'timeout' | 'aborted'): void => {
    cut ??= why;
    killGroup(child);
  };
  const onAbort = (): void => end('aborted');
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  const letGo = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
  const output = collect(child);
  try {
    // One that does not read what it is told closes the pipe.
    child.stdin.on('error', () => undefined).end(input);
    const [code, ended] = (await once(child, 'exit')) as [number | null, string | null];
    // What it has left in the background is its own matter.
    letGo();
    await output.settled();
    if (cut !== null) return { end: { kind: cut }, output: output.text() };
    const how =
      code === null
        ? ({ kind: 'signal', signal: ended ?? 'a signal' } as const)
        : ({ kind: 'exit', code } as const);
    return { end: how, output: output.text() };
  } catch (error) {
    return {
      end: { kind: 'not-started', message: error instanceof Error ? error.message : String(error) },
      output: '',
    };
  } finally {
    letGo();
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself meanwhile.
  }
}

interface Output {
  text(): string;
  /** Everything was read, or nobody waits for it any longer. */
  settled(): Promise<void>;
}

function collect({ stdout, stderr }: ChildProcess): Output {
  let kept: Buffer = Buffer.alloc(0);
  const streams = [stdout, stderr].filter((stream) => stream !== null);
  const closed = streams.map(async (stream) => {
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]).subarray(-keptBytes);
    });
    await once(stream, 'close').catch(() => undefined);
  });
  return {
    text: () => kept.toString('utf8'),
    async settled() {
      const timer = setTimeout(() => streams.forEach((stream) => stream.destroy()), outputWithinMs);
      await Promise.all(closed);
      clearTimeout(timer);
    },
  };
}
