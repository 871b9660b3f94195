/**
 * An application at work: writers, each with a connection and seeded choices of its own, one small transaction after the
 * other.
 *
 * What a transaction does to the table it must do to the table's mirror too. Both commit or neither, so a write that a
 * change of the table loses is one that only the mirror has (proof.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { runConnectionLoop } from './connection-loop.js';
import { Random } from './random.js';

/** Errors beyond these add nothing. */
const keptErrors = 20;

/** One transaction from `begin` to `commit`. After an error it is rolled back, and the next one is due. */
export type Transact = (client: pg.Client) => Promise<void>;

export interface WorkloadOptions {
  readonly url: string;
  /** Their numbers. */
  readonly writers: readonly number[];
  readonly seed: number;
  /** What a writer does, again and again. */
  readonly writer: (writer: number, random: Random) => Transact;
  /** Between two transactions of one writer: an application thinks, too. */
  readonly pauseMs: (random: Random) => number;
}

export class Workload implements AsyncDisposable {
  /** What the writers saw go wrong, the first of it. */
  readonly errors: Error[] = [];
  #errorCount = 0;
  #transactions = 0;
  readonly #stop = new AbortController();
  #writers: Promise<unknown> = Promise.resolve();
  #startedAt = 0;
  #stoppedAt: number | null = null;

  private constructor(private readonly options: WorkloadOptions) {}

  /** Connects all writers, then lets them go. */
  static async start(options: WorkloadOptions): Promise<Workload> {
    const workload = new Workload(options);
    const clients = await Promise.all(options.writers.map(() => connect(options.url)));
    workload.#startedAt = performance.now();
    workload.#writers = Promise.all(
      clients.map((client, index) => workload.#write(client, options.writers[index] ?? 0)),
    );
    return workload;
  }

  /** Committed so far. */
  get transactions(): number {
    return this.#transactions;
  }

  get errorCount(): number {
    return this.#errorCount;
  }

  /** From the start until now, or until the stop. */
  get seconds(): number {
    return ((this.#stoppedAt ?? performance.now()) - this.#startedAt) / 1000;
  }

  /** Lets every writer finish its transaction. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#writers;
    this.#stoppedAt ??= performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #write(client: pg.Client, writer: number): Promise<void> {
    const { seed, writer: create, pauseMs } = this.options;
    const random = new Random(seed * 31 + writer);
    const transact = create(writer, random);
    const { signal } = this.#stop;
    const pause = async (): Promise<void> => {
      // It is cut short by the stop; that is no error.
      await sleep(pauseMs(random), undefined, { signal }).catch(() => undefined);
    };
    await runConnectionLoop({
      connect: async () => client,
      step: async () => {
        await transact(client);
        this.#transactions += 1;
        await pause();
      },
      failed: async (error) => {
        this.#note(error);
        // A broken connection stays broken: an application would have shown its error page long ago.
        if (!(await isUsable(client))) return 'end';
        await pause();
        return 'go on';
      },
      signal,
    });
  }

  #note(error: unknown): void {
    this.#errorCount += 1;
    if (this.errors.length < keptErrors)
      this.errors.push(error instanceof Error ? error : new Error(String(error)));
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'workload' });
  // When the server is stopped under us the query in flight tells it; an idle client would end the process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function isUsable(client: pg.Client): Promise<boolean> {
  try {
    await client.query('rollback');
    return true;
  } catch {
    return false;
  }
}
