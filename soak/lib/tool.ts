/** Pg-ghost as its users run it: processes of the command line. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** From build/soak/lib, where this is compiled to. */
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** A copy of the program: a soak runs for hours, and whoever builds meanwhile must not change what it tests. */
export async function copyTool(): Promise<{ program: string; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-soak-'));
  for (const part of ['bin', 'dist', 'package.json']) {
    await cp(join(root, part), join(directory, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  return {
    program: join(directory, 'bin', 'pg-ghost.js'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

export type ToolEvent = Record<string, unknown> & { event: string };

export interface Ended {
  /** Null when a signal ended it */
  readonly code: number | null;
  /** `0`, `SIGKILL`, `1 connection-lost` */
  readonly shown: string;
  /** The last line, when it is one */
  readonly error: ToolEvent | null;
  readonly stderr: string;
}

export class ToolRun {
  events: ToolEvent[] = [];
  #stderr = '';
  #listeners = new Set<(event: ToolEvent) => void>();

  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<Ended>;

  constructor(program: string, url: string, args: readonly string[]) {
    this.child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, DATABASE_URL: url, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = createInterface({ input: this.child.stdout });
    lines.on('line', (line) => this.#read(line));
    this.child.stderr.on('data', (data) => (this.#stderr += String(data)));
    const { promise, resolve } = settled();
    this.child.once('close', (code, signal) => resolve(this.#end(code, signal)));
    this.child.once('error', (error) => {
      this.#stderr += String(error);
    });
    this.ended = promise;
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  listen(listener: (event: ToolEvent) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #read(line: string) {
    let event: ToolEvent;
    try {
      event = JSON.parse(line);
    } catch {
      // The last line of a process that was killed.
      event = { event: 'unreadable', line };
    }
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  #end(code: number | null, signal: string | null): Ended {
    const last = this.events.at(-1);
    const error = last?.event === 'error' ? last : null;
    const said = error === null ? '' : ` ${String(error['code'])}`;
    const shown = code === null ? String(signal) : `${code}${said}`;
    return { code, shown, error, stderr: this.#stderr };
  }
}

function settled(): { promise: Promise<Ended>; resolve: (ended: Ended) => void } {
  let resolve: (ended: Ended) => void = () => undefined;
  const promise: Promise<Ended> = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
