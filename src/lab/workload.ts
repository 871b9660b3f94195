/**
 * The application: a few connections that insert, update, delete and read orders, one small transaction after the other.
 *
 * Whatever a transaction does to `orders` it does to `orders_mirror` too, with the values it knows itself. Both commit or
 * neither, so a write that the change of `orders` loses is one that only the mirror has.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createRandom } from './random.js';
import { statuses } from './seed.js';

/** Between two transactions of one writer: an application that thinks, not a benchmark. */
const pauseMs = 4;
/** Errors beyond these add nothing. */
const keptErrors = 5;

export interface WorkloadOptions {
  readonly url: string;
  readonly writers: number;
  /** Ids below or at this one exist at the start. */
  readonly seededRows: number;
}

/** One statement on `orders`, as the application saw it. */
export interface Sample {
  /** `performance.now()` */
  readonly startedAt: number;
  readonly ms: number;
}

export interface WorkloadCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly read: number;
}

export class Workload implements AsyncDisposable {
  readonly samples: Sample[] = [];
  /** What the application saw go wrong; the proof is that there is nothing here. */
  readonly errors: string[] = [];
  #errorCount = 0;
  readonly #counts = { inserted: 0, updated: 0, deleted: 0, read: 0 };
  readonly #stop = new AbortController();
  readonly #options: WorkloadOptions;
  #writers: Promise<unknown> = Promise.resolve();
  #startedAt = 0;
  #stoppedAt: number | null = null;

  private constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Connects all writers, then lets them go. */
  static async start(options: WorkloadOptions): Promise<Workload> {
    const workload = new Workload(options);
    const numbers = Array.from({ length: options.writers }, (_, index) => index + 1);
    const clients = await Promise.all(numbers.map(() => connect(options.url)));
    workload.#startedAt = performance.now();
    workload.#writers = Promise.all(clients.map((client, index) => workload.#write(client, index + 1)));
    return workload;
  }

  /** Committed writes so far. */
  get counts(): WorkloadCounts {
    return { ...this.#counts };
  }

  get writes(): number {
    return this.#counts.inserted + this.#counts.updated + this.#counts.deleted;
  }

  get errorCount(): number {
    return this.#errorCount;
  }

  get writesPerSecond(): number {
    return this.writes / Math.max(0.001, ((this.#stoppedAt ?? performance.now()) - this.#startedAt) / 1000);
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

  async #write(client: pg.Client, seed: number): Promise<void> {
    const random = createRandom(seed);
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#transact(client, random);
      } catch (error) {
        this.#note(error);
        // A broken connection stays broken: an application would have shown its error page long ago.
        if (!(await isUsable(client))) break;
      }
      // The pause is cut short by the stop; that is no error.
      await sleep(pauseMs * 2 * random(), undefined, { signal }).catch(() => undefined);
    }
    await client.end().catch(() => undefined);
  }

  async #transact(client: pg.Client, random: () => number): Promise<void> {
    const id = 1 + Math.floor(random() * this.#options.seededRows);
    const status = statuses[Math.floor(random() * statuses.length)];
    const total = (random() * 1000).toFixed(2);
    const kind = random();
    if (kind < 0.25) {
      await this.#timed(client, 'select status, total from orders where id = $1', [id]);
      this.#counts.read += 1;
      return;
    }
    await client.query('begin');
    if (kind < 0.5) {
      const customer = 1 + Math.floor(random() * 50_000);
      const { rows } = await this.#timed(
        client,
        'insert into orders (customer_id, status, total) values ($1, $2, $3) returning id, created_at::text, updated_at::text',
        [customer, status, total],
      );
      await client.query(
        'insert into orders_mirror (id, customer_id, status, total, created_at, updated_at) values ($1, $2, $3, $4, $5, $6)',
        [rows[0]?.['id'], customer, status, total, rows[0]?.['created_at'], rows[0]?.['updated_at']],
      );
      await client.query('commit');
      this.#counts.inserted += 1;
    } else if (kind < 0.9) {
      const values = [id, status, total];
      const set = 'set status = $2, total = $3, updated_at = now() where id = $1';
      const { rowCount } = await this.#timed(client, `update orders ${set}`, values);
      await client.query(`update orders_mirror ${set}`, values);
      await client.query('commit');
      this.#counts.updated += rowCount ?? 0;
    } else {
      const { rowCount } = await this.#timed(client, 'delete from orders where id = $1', [id]);
      await client.query('delete from orders_mirror where id = $1', [id]);
      await client.query('commit');
      this.#counts.deleted += rowCount ?? 0;
    }
  }

  async #timed(
    client: pg.Client,
    text: string,
    values: unknown[],
  ): Promise<pg.QueryResult<Record<string, unknown>>> {
    const startedAt = performance.now();
    const result = await client.query<Record<string, unknown>>(text, values);
    this.samples.push({ startedAt, ms: performance.now() - startedAt });
    return result;
  }

  #note(error: unknown): void {
    this.#errorCount += 1;
    if (this.errors.length < keptErrors)
      this.errors.push(error instanceof Error ? error.message : String(error));
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'shop' });
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

/** The slowest statement that was under way at any moment between `from` and `to`; null when there was none. */
export function slowest(samples: readonly Sample[], from: number, to: number): number | null {
  let worst: number | null = null;
  for (const { startedAt, ms } of samples) {
    if (startedAt <= to && startedAt + ms >= from) worst = Math.max(worst ?? 0, ms);
  }
  return worst;
}
