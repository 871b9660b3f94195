import pg from 'pg';
import type { EmbeddedServer } from '../../src/lab/embedded-server.js';

/** A database of a server that a test has for itself, and may crash. */
export class OwnDatabase implements AsyncDisposable {
  readonly #clients = new Set<pg.Client>();

  constructor(readonly url: string) {}

  static async create(server: EmbeddedServer, name: string, template = 'template0'): Promise<OwnDatabase> {
    await new OwnDatabase(server.url()).run(`create database ${name} template ${template}`);
    return new OwnDatabase(server.url(name));
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => {});
    await client.connect();
    this.#clients.add(client);
    return client;
  }

  /** In a session of its own: any other would not survive the crash. */
  async run(sql: string): Promise<pg.QueryResult> {
    const client = await this.connect();
    const result = await client.query(sql);
    await client.end();
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.end().catch(() => {})));
  }
}
