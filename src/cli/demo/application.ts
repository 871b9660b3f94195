/**
 * The shop at work: a few connections that insert, update, delete and read orders, one small transaction after the other, and
 * write each order to `orders_mirror` too, with the values they know themselves.
 */
import type pg from 'pg';
import type { Random } from '../../lab/random.js';
import { Workload } from '../../lab/workload.js';
import { statuses } from './shop.js';

/** Between two transactions of one writer, on average: an application that thinks, not a benchmark. */
const pauseMs = 4;
const shownErrors = 5;

export interface ShopOptions {
  readonly url: string;
  readonly writers: number;
  /** Ids below or at this one exist at the start. */
  readonly seededRows: number;
}

/** One statement on `orders`, as the application saw it. */
interface Sample {
  /** `performance.now()` */
  readonly startedAt: number;
  readonly ms: number;
}

export interface Counts {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly read: number;
}

export class ShopApplication implements AsyncDisposable {
  readonly samples: Sample[] = [];
  readonly #counts = { inserted: 0, updated: 0, deleted: 0, read: 0 };
  /** One for each time that it was at work. */
  readonly #workloads: Workload[] = [];

  private constructor(private readonly options: ShopOptions) {}

  static async start(options: ShopOptions): Promise<ShopApplication> {
    const application = new ShopApplication(options);
    await application.goOn();
    return application;
  }

  /** After `stop`. */
  async goOn(): Promise<void> {
    const { url, writers } = this.options;
    this.#workloads.push(
      await Workload.start({
        url,
        writers: Array.from({ length: writers }, (_, index) => index + 1),
        // Always the same: two demos write the same orders.
        seed: this.#workloads.length + 1,
        writer: (_, random) => (client) => this.#transact(client, random),
        pauseMs: (random) => pauseMs * 2 * random.next(),
      }),
    );
  }

  /** Committed writes so far. */
  get counts(): Counts {
    return { ...this.#counts };
  }

  get writes(): number {
    return this.#counts.inserted + this.#counts.updated + this.#counts.deleted;
  }

  get writesPerSecond(): number {
    return (
      this.writes /
      Math.max(
        0.001,
        this.#workloads.reduce((sum, { seconds }) => sum + seconds, 0),
      )
    );
  }

  /** What the application saw go wrong, the first of it; the proof is that there is nothing here. */
  get errors(): string[] {
    return this.#workloads
      .flatMap(({ errors }) => errors)
      .slice(0, shownErrors)
      .map(({ message }) => message);
  }

  get errorCount(): number {
    return this.#workloads.reduce((sum, { errorCount }) => sum + errorCount, 0);
  }

  /** Lets every writer finish its transaction. */
  async stop(): Promise<void> {
    await this.#workloads.at(-1)?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #transact(client: pg.Client, random: Random): Promise<void> {
    const id = random.int(1, this.options.seededRows);
    const status = random.pick(statuses);
    const total = (random.next() * 1000).toFixed(2);
    const kind = random.next();
    if (kind < 0.25) {
      await this.#timed(client, 'select status, total from orders where id = $1', [id]);
      this.#counts.read += 1;
      return;
    }
    await client.query('begin');
    if (kind < 0.5) {
      const customer = random.int(1, 50_000);
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
}

/** The slowest statement that was under way at any moment between `from` and `to`; null when there was none. */
export function slowest(samples: readonly Sample[], from: number, to: number): number | null {
  let worst: number | null = null;
  for (const { startedAt, ms } of samples) {
    if (startedAt <= to && startedAt + ms >= from) worst = Math.max(worst ?? 0, ms);
  }
  return worst;
}
