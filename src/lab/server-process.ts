/** One program of the embedded server: run as its account, logged to its file, known to the watchdog. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerAccount } from './embedded-account.js';
import type { Watchdog } from './watchdog.js';

export interface ServerProcessPlace {
  /** Of the whole server; the log is in it. */
  readonly directory: string;
  readonly account: ServerAccount;
  readonly watchdog: Watchdog;
}

export class ServerProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws the error of spawn */
  static async start(
    program: string,
    args: readonly string[],
    place: ServerProcessPlace,
  ): Promise<ServerProcess> {
    const log = await open(logFile(place.directory), 'a');
    try {
      const child = spawn(program, args, {
        cwd: place.directory,
        // In a process group of its own, which a Ctrl-C in our terminal does not reach.
        detached: true,
        // Nothing of PGDATA, PGPORT, PGOPTIONS ... may reach it; messages are matched and shown, hence C.
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
        stdio: ['ignore', log.fd, log.fd],
        ...place.account,
      });
      if (child.pid !== undefined) place.watchdog.watch(child.pid);
      // At once, whoever ended it: the number may soon be another process's.
      child.once('exit', () => place.watchdog.watch(null));
      await once(child, 'spawn');
      // The server alone must not keep our process alive.
      child.unref();
      return new ServerProcess(child);
    } finally {
      await log.close();
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits for the end; null when a signal ended it. */
  async exitCode(signal?: AbortSignal): Promise<number | null> {
    if (this.isRunning) {
      this.#child.ref();
      await once(this.#child, 'exit', signal === undefined ? {} : { signal });
    }
    return this.#child.exitCode;
  }

  kill(signal: 'SIGINT' | 'SIGQUIT'): void {
    this.#child.kill(signal);
  }
}

/** What initdb and the server wrote. */
export async function readServerLog(directory: string): Promise<string> {
  return readFile(logFile(directory), 'utf8').catch(() => '');
}

function logFile(directory: string): string {
  return join(directory, 'server.log');
}
