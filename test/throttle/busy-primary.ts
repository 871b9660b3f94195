/** A database of a primary with an application at work in it, and what must be in it, and on its standby, in the end. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { EmbeddedServer } from '../../src/lab/embedded-server.js';
import { differences } from '../../src/lab/proof.js';
import { until } from '../support/until.js';
import { fillStatement, runWriter, workloadSetup, type WriterReport } from '../support/workload.js';

const writers = 2;
/** No writer's: a row to write to by hand. */
const quietId = 50_000_001;
/** Some 1,200 blocks beside the writers' rows: enough for several chunks. */
const quietRows = (table: string): string => `
  insert into ${table} select ${quietId} + i, 'q' || i, ${quietId} + i, i, repeat('x', 1500)
  from generate_series(0, 5999) i;`;

export const change = {
  table: 'orders',
  alter: [
    'ALTER COLUMN id TYPE bigint, ALTER COLUMN total TYPE numeric(20,4), ADD COLUMN extra int DEFAULT 7',
  ],
};
const mirrored = 'select id::bigint, code, slot, total::numeric(20,4), note, 7 from mirror';

export class BusyDatabase implements AsyncDisposable {
  readonly url: string;
  readonly #stop = new AbortController();
  #work: Promise<readonly WriterReport[]> = Promise.resolve([]);

  private constructor(
    primary: EmbeddedServer,
    private readonly name: string,
  ) {
    this.url = primary.url(name);
  }

  /** Every write goes to `orders` and, in the same transaction, to `mirror`. */
  static async start(primary: EmbeddedServer): Promise<BusyDatabase> {
    const name = `busy_${randomBytes(6).toString('hex')}`;
    await onServer(primary.url(), (server) => server.query(`create database ${name}`));
    const db = new BusyDatabase(primary, name);
    await onServer(db.url, (client) =>
      client.query(
        `${workloadSetup} ${fillStatement(writers)} ${quietRows('orders')} ${quietRows('mirror')}`,
      ),
    );
    db.#work = Promise.all(
      Array.from({ length: writers }, (_, writer) => runWriter(db, writer, 4242, db.#stop.signal)),
    );
    return db;
  }

  /** Writes to a row that no writer touches. */
  async mark(note: string): Promise<void> {
    await onServer(this.url, (client) =>
      client.query(
        ['orders', 'mirror'].map((t) => `update ${t} set note = '${note}' where id = ${quietId}`).join(';'),
      ),
    );
  }

  /** What that row has in the shadow of the first migration. */
  async markInShadow(): Promise<string | undefined> {
    return await onServer(this.url, async (client) => {
      const { rows } = await client.query<{ note: string }>(
        `select note from ghost_new_1.orders where id = ${quietId}`,
      );
      return rows[0]?.note;
    });
  }

  /** Ends the writers; what they saw go wrong. */
  async stop(): Promise<{ readonly errors: readonly string[]; readonly transactions: number }> {
    this.#stop.abort();
    const reports = await this.#work;
    return {
      errors: reports.flatMap(({ errors }) => errors.map(({ message }) => message)),
      transactions: reports.reduce((sum, report) => sum + report.transactions, 0),
    };
  }

  /** Waits until a standby has all that is here now. */
  async followedBy(standbyUrl: string): Promise<void> {
    const { rows } = await onServer(this.url, (client) =>
      client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn'),
    );
    await onServer(standbyUrl, (client) =>
      until(
        async () => {
          const { rows: found } = await client.query<{ done: boolean }>(
            `select pg_last_wal_replay_lsn() >= '${rows[0]?.lsn}' as done`,
          );
          return found[0]?.done;
        },
        { what: 'the standby to catch up' },
      ),
    );
  }

  /** Rows that `orders` has and `mirror` has not, or the other way. */
  async lost(): Promise<unknown[]> {
    return await onServer(this.url, lostIn);
  }

  /** The same on a standby, as soon as that has all of it. */
  async lostOn(standbyUrl: string): Promise<unknown[]> {
    await this.followedBy(standbyUrl);
    const replica = new URL(standbyUrl);
    replica.pathname = `/${this.name}`;
    return await onServer(replica.href, lostIn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const lostIn = (client: pg.Client): Promise<unknown[]> =>
  differences(client, 'select * from orders', mirrored);

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
