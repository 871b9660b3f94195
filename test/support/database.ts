/** A fresh database for one test: `await using db = await createDatabase();` */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import './global-setup.js';

export { until } from './until.js';

export interface TestRole {
  readonly name: string;
  readonly password: string;
  /** For this database. */
  readonly url: string;
}

/** Creates an empty database; `sql` is run in it. */
export async function createDatabase(sql?: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await inServer((server) => server.query(`create database ${name}`));
  const database = new TestDatabase(name);
  if (sql !== undefined) {
    try {
      await database.query(sql);
    } catch (error) {
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }
  return database;
}

export class TestDatabase implements AsyncDisposable {
  /** Of the server. */
  readonly major = inject('serverMajor');
  /** Of a superuser. */
  readonly url: string;
  readonly #clients = new Set<pg.Client>();
  readonly #roles: string[] = [];
  /** The one behind `query`; connected when needed. */
  #client: Promise<pg.Client> | null = null;

  constructor(readonly name: string) {
    const url = new URL(inject('serverUrl'));
    url.pathname = `/${name}`;
    this.url = url.href;
  }

  /** Runs a statement as the superuser in one session that lasts until the end of the test (or a `clone`). */
  async query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    text: string,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>> {
    this.#client ??= this.connect().then((client) => {
      // A test may have ended all sessions of the database; the next statement gets a new one.
      client.once('end', () => (this.#client = null));
      return client;
    });
    return (await this.#client).query<Row>(text, values);
  }

  /** Another session, ended with the test. */
  async connect(url = this.url): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    // Without a listener a session that the server ends (DROP DATABASE ... FORCE) would take the process with it.
    client.on('error', () => {});
    await client.connect();
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    return client;
  }

  /**
   * A copy of this database as it is now, to run the same change natively in. Ends only the session behind `query`.
   *
   * @throws Error when there are other sessions on this database: PostgreSQL copies none that is in use
   */
  async clone(): Promise<TestDatabase> {
    const client = await this.#client;
    this.#client = null;
    await client?.end();
    const copy = new TestDatabase(`test_${randomBytes(6).toString('hex')}`);
    await inServer(async (server) => {
      try {
        await server.query(`create database ${copy.name} template ${this.name}`);
      } catch (error) {
        if ((error as pg.DatabaseError).code !== objectInUse) throw error;
        const { rows } = await server.query<{ session: string }>(
          `select format('%s %s %s', pid, application_name, state) as session
           from pg_stat_activity where datname = $1`,
          [this.name],
        );
        const sessions = rows.map((row) => row.session).join('; ');
        throw new Error(`cannot clone ${this.name}, end its sessions first: ${sessions}`, { cause: error });
      }
    });
    return copy;
  }

  /** The URL for another user of this database. */
  urlFor(user: string, password = ''): string {
    const url = new URL(this.url);
    url.username = encodeURIComponent(user);
    url.password = encodeURIComponent(password);
    return url.href;
  }

  /**
   * A login role with a name of its own (roles belong to the whole server, which other tests use at the same time),
   * dropped with the database. `attributes` as in CREATE ROLE: `bypassrls`, `in role pg_monitor`. It may run a migration with
   * the capture under test.
   */
  async createRole(attributes = ''): Promise<TestRole> {
    const name = `role_${randomBytes(6).toString('hex')}`;
    const password = randomBytes(9).toString('hex');
    const mayCapture = inject('capture') === 'logical' ? 'replication' : '';
    await this.query(`create role ${name} login password '${password}' ${mayCapture} ${attributes}`);
    this.#roles.push(name);
    return { name, password, url: this.urlFor(name, password) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releaseWhatForceDoesNot();
    await Promise.all([...this.#clients].map((client) => client.end().catch(() => {})));
    await inServer(async (server) => {
      await server.query(`drop database if exists ${this.name} with (force)`);
      for (const role of this.#roles) await server.query(`drop role ${role}`);
    });
  }

  /** DROP DATABASE WITH (FORCE) ends sessions, but stops at replication slots and prepared transactions. */
  async #releaseWhatForceDoesNot(): Promise<void> {
    await inServer(async (here) => {
      const { rows } = await here.query<{ gid: string }>(
        'select gid from pg_prepared_xacts where database = current_database()',
      );
      for (const { gid } of rows) await here.query(`rollback prepared ${pg.escapeLiteral(gid)}`);
      await here.query(
        `select pg_terminate_backend(active_pid, 5000)
           from pg_replication_slots where database = current_database() and active_pid is not null`,
      );
      await here.query(
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()',
      );
    }, this.url);
  }
}

const objectInUse = '55006';

async function inServer<T>(work: (client: pg.Client) => Promise<T>, url = inject('serverUrl')): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
