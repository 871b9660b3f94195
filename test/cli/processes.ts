/** The program as it is installed, in a process of its own: what only a real process shows is its streams, signals and end. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { expect } from 'vitest';
import { differences } from '../../src/lab/proof.js';
import type { ProgressState } from '../../src/model/progress.js';
import { type TestDatabase, until } from '../support/database.js';

const program = fileURLToPath(new URL('../../bin/pg-ghost.js', import.meta.url));

/** Of a test here: a dozen processes at once are slow where others are at work too. Nothing waits for so long by itself. */
export const patienceMs = 120_000;

export interface ProcessOptions {
  /** Put into DATABASE_URL; without one the arguments say where to connect. */
  readonly url?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** One of 100 columns and 30 lines (`script` of util-linux), instead of pipes. */
  readonly terminal?: boolean;
}

export class Process implements AsyncDisposable {
  stdout = '';
  stderr = '';
  readonly child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], { url, env = {}, terminal = false }: ProcessOptions) {
    const all = {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      ...(url === undefined ? {} : { DATABASE_URL: url }),
      ...env,
    };
    const command = [process.execPath, program, ...args];
    this.child = terminal
      ? spawn(
          'script',
          ['-qefc', `stty cols 100 rows 30; exec ${command.map(quoted).join(' ')}`, '/dev/null'],
          {
            env: all,
          },
        )
      : spawn(command[0] ?? '', command.slice(1), { env: all });
    this.child.stdout.on('data', (data) => (this.stdout += String(data)));
    this.child.stderr.on('data', (data) => (this.stderr += String(data)));
    this.#closed = once(this.child, 'close');
  }

  async exitCode(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }

  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  /** Of `--json`. Every line must be one. */
  get objects(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  all(event: string): Record<string, unknown>[] {
    return this.objects.filter((object) => object['event'] === event);
  }

  /** @throws Error when it ends without having said so */
  async says(text: string | RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    await this.brings(
      () => (typeof text === 'string' ? this[stream].includes(text) : text.test(this[stream])),
      String(text),
    );
  }

  /** Waits for something that it is to bring about. @throws Error when it ends without */
  async brings(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    try {
      await until(async () => this.hasEnded || (await condition()), { what, timeoutMs: patienceMs / 2 });
      if (this.hasEnded) await this.#closed;
      if (!(await condition())) throw new Error(`it ended with ${this.child.exitCode} without: ${what}`);
    } catch (cause) {
      throw new Error(`${String(cause)}\n${this.stdout.slice(-2000)}\n${this.stderr.slice(-2000)}`, {
        cause,
      });
    }
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) this.child.kill('SIGKILL');
    await this.#closed;
  }
}

export async function finished(
  args: readonly string[],
  options: ProcessOptions,
): Promise<Process & { readonly code: number | null }> {
  const process = new Process(args, options);
  return Object.assign(process, { code: await process.exitCode() });
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Two thousand rows, each of them twice. */
export const workload = `
  create table orders (id int primary key, code text not null unique, total numeric(12, 2) not null, note text);
  create table mirror (like orders including all);
  create index orders_total_idx on orders (total);
  insert into orders select i, 'c' || i, i * 1.5, 'start' from generate_series(1, 2000) as i;
  insert into mirror select * from orders`;
export const change = ['--table', 'orders', '--alter', 'ALTER COLUMN id TYPE bigint'];

/**
 * Somebody who writes while `body` runs, each write into both tables in one transaction, and loses none. Gently: a dozen runs
 * share the machine, and what many writers do to one is for test/e2e.
 */
export async function underWrites(db: TestDatabase, body: () => Promise<void>): Promise<void> {
  const client = await db.connect();
  const stop = new AbortController();
  const writing = write(client, stop.signal);
  // Seen when it is awaited; the body may take long until then.
  writing.catch(() => undefined);
  try {
    await body();
  } finally {
    stop.abort();
  }
  expect(await writing).toBeGreaterThan(0);
  expect(await differences(client, 'select * from orders', 'select * from mirror')).toEqual([]);
}

/** @returns how many transactions there were */
async function write(client: pg.Client, signal: AbortSignal): Promise<number> {
  for (let n = 1; ; n += 1) {
    if (signal.aborted) return n - 1;
    const statements = [
      `insert into $T values (${5000 + n}, 'new-${n}', ${n}, null)`,
      `update $T set total = total + 1, note = 'n${n}' where id = ${n}`,
      `update $T set id = ${100_000 + n} where id = ${n - 1}`,
      `delete from $T where id = ${1000 + n}`,
    ];
    const statement = statements[n % statements.length] ?? '';
    const both = ['orders', 'mirror'].map((table) => statement.replaceAll('$T', table));
    await client.query(['begin', ...both, 'commit'].join('; '));
    await sleep(25);
  }
}

/** What the run says of itself, a second old at most. */
export async function lastWord(db: TestDatabase): Promise<ProgressState> {
  const { rows } = await db.query<{ body: ProgressState }>('select body from ghost.progress');
  const [found] = rows;
  if (found === undefined) throw new Error('the run has not said a word yet');
  return found.body;
}

/** Nothing of ours is in the database: no schema of a migration, no trigger, no function, no session. */
export async function leftovers(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(`
    select 'schema ' || nspname as name from pg_namespace where nspname ~ '^ghost_'
    union all select 'relation ' || oid::regclass from pg_class
      where relnamespace = 'ghost'::regnamespace and relname ~ '_\\d' and relkind in ('r', 'S')
    union all select 'trigger ' || tgname from pg_trigger where tgname ~ 'ghost'
    union all select 'function ' || oid::regprocedure from pg_proc
      where pronamespace = 'ghost'::regnamespace and proname ~ '_\\d'
    union all select 'session ' || application_name from pg_stat_activity
      where datname = current_database() and application_name ~ '^pg-ghost'`);
  return rows.map(({ name }) => name);
}

/** A folder for what hooks write down, gone with the test. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'pg-ghost-cli-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
