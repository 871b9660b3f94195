/** The application: writers that never pause, by pgbench or, where there is none, by a process that does the same. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { libpqEnvironment } from './pgbench.js';

const nodeWriters = fileURLToPath(new URL('./node-writers.js', import.meta.url));

/** Each is one transaction: eight updates to one insert and one delete. */
export const scripts: readonly { readonly weight: number; readonly sql: string }[] = [
  { weight: 8, sql: 'update orders set quantity = quantity % 9 + 1, updated_at = now() where id = :id' },
  {
    weight: 1,
    sql: "insert into orders (customer_id, product_id, quantity, total, note) values (:id, 7, 1, 9.99, 'by a writer')",
  },
  { weight: 1, sql: 'delete from orders where id = :id' },
];

/** One transaction as a writer saw it; the clock is that of `Date.now()`. */
export interface Transaction {
  readonly startedAt: number;
  readonly ms: number;
}

/** pgbench writes its log in pieces of 4 KB; the last piece is lost when it is stopped. */
const lastPieceMs = 2000;

export class Writers {
  constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#closed = once(child, 'close');
    child.stderr?.setEncoding('utf8').on('data', (text) => (this.#errors += text));
  }

  #child;
  #folder;
  #closed;
  #errors = '';

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** On the table of the benchmarks. */
  static start(options: { url: string; writers: number; rows: number; pgbench: string | null }): Writers {
    const { url, writers, rows, pgbench } = options;
    const folder = newFolder();
    return pgbench === null
      ? Writers.#spawn(folder, url, process.execPath, [nodeWriters, String(writers), String(rows)])
      : Writers.#spawn(folder, url, pgbench, pgbenchArguments(writers, scriptFiles(folder, rows)));
  }

  /** `pgbench -N` on its own tables. */
  static startSimpleUpdate(options: {
    url: string;
    writers: number;
    pgbench: string;
    /** Transactions a second of all of them; as fast as they can without it. */
    rate?: number;
  }): Writers {
    const { url, writers, pgbench, rate = null } = options;
    const work = ['--skip-some-updates', ...(rate === null ? [] : [`--rate=${rate}`])];
    return Writers.#spawn(newFolder(), url, pgbench, pgbenchArguments(writers, work));
  }

  static #spawn(folder: string, url: string, program: string, args: readonly string[]) {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, ...libpqEnvironment(url), DATABASE_URL: url },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return new Writers(child, folder);
  }

  /**
   * Ends them and gives what they logged.
   *
   * @throws when one of them met an error
   */
  async stop(): Promise<Transaction[]> {
    try {
      if (this.#child.exitCode === null) {
        await sleep(lastPieceMs);
        this.#child.kill('SIGINT');
      }
      await this.#closed;
      if (/error|aborted|fatal/i.test(this.#errors)) throw new Error(`the writers failed: ${this.#errors}`);
      return readLogs(this.#folder);
    } finally {
      this.#child.kill('SIGKILL');
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

function newFolder() {
  return mkdtempSync(join(tmpdir(), 'pg-ghost-bench-'));
}

function scriptFiles(folder: string, rows: number) {
  return scripts.map(({ weight, sql }, index) => {
    const file = join(folder, `script-${index}.sql`);
    writeFileSync(file, `\\set id random(1, ${rows})\n${sql};\n`);
    return `--file=${file}@${weight}`;
  });
}

function pgbenchArguments(writers: number, work: readonly string[]) {
  // A day: they are stopped.
  const until = '--time=86400';
  return [
    '--no-vacuum',
    `--client=${writers}`,
    until,
    '--log',
    '--log-prefix=log',
    '--random-seed=1',
    ...work,
  ];
}

/**
 * Lines of `client transaction microseconds script seconds microseconds`; the last two are when it ended.
 * https://www.postgresql.org/docs/current/pgbench.html ("Per-Transaction Logging")
 */
function readLogs(folder: string): Transaction[] {
  return (
    readdirSync(folder)
      .filter((file) => file.startsWith('log.'))
      .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1))
      .map((line) => line.split(' ').map(Number))
      // With a rate there is one more: how late it began. It is in the time, but no query took that long.
      .map(([, , took = Number.NaN, , seconds = Number.NaN, microseconds = Number.NaN, lag = 0]) => {
        const ms = (took - lag) / 1000;
        return { startedAt: seconds * 1000 + microseconds / 1000 - ms, ms };
      })
  );
}

/** The longest transaction that was under way at any time between `from` and `to`. */
export function longest(transactions: readonly Transaction[], from: number, to: number) {
  return transactions.reduce(
    (most, { startedAt, ms }) => (startedAt <= to && startedAt + ms >= from ? Math.max(most, ms) : most),
    0,
  );
}
