/**
 * The one place that ends an embedded server for good: a small shell process that waits until its stdin closes, then
 * stops the server and removes its directory.
 *
 * stdin closes when we close it (an orderly stop) and also when our process ends in any other way, SIGKILL included, so
 * that there is no second path for accidents. Hence no exit or signal handler in our own process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';

/**
 * Reads process ids, one a line; the last one counts. SIGQUIT is PostgreSQL's immediate shutdown: the data is to be
 * thrown away. The server is gone when its postmaster.pid is, the last thing that it removes; the process itself may stay
 * as a zombie where nobody waits for orphans, as in many containers. Ten seconds later all that is left is killed.
 */
const script = `
  pid=
  while read -r line; do pid=$line; done
  if [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null; then
    tenths=0
    while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ "$tenths" -lt 100 ]; do
      sleep 0.1
      tenths=$((tenths + 1))
    done
    kill -KILL "-$pid" 2>/dev/null
  fi
  rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`;

export class Watchdog {
  readonly #directory: string;
  readonly #shell: ChildProcess;

  /** Watches from now on. `directory` is absolute and is removed at the end. */
  constructor(directory: string) {
    this.#directory = directory;
    // Detached, in a session of its own: a Ctrl-C or a closed terminal goes to our whole process group.
    this.#shell = spawn('/bin/sh', ['-c', script, 'pg-ghost-watchdog', directory], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // A watchdog that is gone makes writes fail; end() removes the directory all the same.
    this.#shell.stdin?.on('error', () => {});
    this.#shell.on('error', () => {});
    // It must not keep our process alive: when there is nothing else to do, we end, and it notices.
    this.#shell.unref();
    (this.#shell.stdin as unknown as { unref?(): void }).unref?.();
  }

  /** The process, leader of its own group, to end with us; null when it has ended. */
  watch(pid: number | null): void {
    this.#shell.stdin?.write(`${pid ?? ''}\n`);
  }

  /** Ends what is watched at once, removes the directory, and returns when both are gone. */
  async end(): Promise<void> {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null && this.#shell.pid !== undefined) {
      this.#shell.ref();
      const exited = once(this.#shell, 'exit');
      this.#shell.stdin?.end();
      await exited;
    }
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
