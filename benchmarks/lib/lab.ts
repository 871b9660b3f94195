/** The server that is measured, and fresh databases on it. */
import pg from 'pg';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import type { ServerSettings } from '../../src/lab/embedded-cluster.js';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';
import type { Options } from './options.js';
import { initialize } from './pgbench.js';
import { fillTable, tableSize } from './table.js';

/**
 * As a production server of this size would have them. Everything about durability is PostgreSQL's default: fsync, full page
 * writes and synchronous commit are on, and autovacuum runs.
 */
const embeddedSettings = {
  shared_buffers: '1GB',
  maintenance_work_mem: '256MB',
  max_wal_size: '8GB',
  // Kept for reuse: making and filling new WAL files would be paid by whoever is measured first.
  min_wal_size: '4GB',
};

const prefix = 'pg_ghost_bench';

export class Lab {
  /** By the name of the database: what its making gave. */
  #templates: Map<string, unknown> = new Map();
  #copies = 0;

  /** @param version `server_version_num` */
  constructor(
    private readonly admin: pg.Client,
    private readonly url: (database: string) => string,
    private readonly stop: () => Promise<void>,
    private readonly version: number,
  ) {}

  /** @param settings of an embedded server, beside those that all have */
  static async open({ major }: Pick<Options, 'major'>, settings: ServerSettings = {}) {
    const given = process.env['PG_GHOST_BENCH_URL'];
    if (given !== undefined && given !== '') {
      const url = (database: string) => {
        const changed = new URL(given);
        changed.pathname = `/${database}`;
        return changed.href;
      };
      return await Lab.#connect(given, url, async () => {});
    }
    const server = await startEmbeddedServer({
      major: major as EmbeddedMajor,
      settings: { ...embeddedSettings, ...settings },
    });
    return await Lab.#connect(
      server.url(),
      (database) => server.url(database),
      () => server.stop({ immediate: true }),
    );
  }

  static async #connect(adminUrl: string, url: (database: string) => string, stop: () => Promise<void>) {
    try {
      const admin = await connect(adminUrl);
      const { rows } = await admin.query(`select current_setting('server_version_num')::int as version`);
      return new Lab(admin, url, stop, rows[0].version);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** How large the table is that `withTable` gives. */
  async size(rows: number) {
    return await this.#template(nameOf('table', rows), (url) => makeTable(url, rows));
  }

  /** Gives `work` a fresh copy of the table in a database of its own. */
  async withTable<T>(rows: number, work: (url: string) => Promise<T>): Promise<T> {
    return await this.#withCopy(nameOf('table', rows), (url) => makeTable(url, rows), work);
  }

  /**
   * The same with the tables of pgbench.
   *
   * @param pgbench the program
   * @param scale 100,000 rows each
   */
  async withPgbench<T>(pgbench: string, scale: number, work: (url: string) => Promise<T>): Promise<T> {
    return await this.#withCopy(nameOf('pgbench', scale), (url) => initialize(pgbench, url, scale), work);
  }

  /** A database that nobody changes; made once. */
  async #template<T>(name: string, make: (url: string) => Promise<T>): Promise<T> {
    if (!this.#templates.has(name)) {
      await this.#drop(name);
      await this.admin.query(`create database ${name}`);
      this.#templates.set(name, await make(this.url(name)));
    }
    return this.#templates.get(name) as T;
  }

  async #withCopy<T>(
    template: string,
    make: (url: string) => Promise<unknown>,
    work: (url: string) => Promise<T>,
  ): Promise<T> {
    await this.#template(template, make);
    this.#copies += 1;
    const name = `${prefix}_copy_${this.#copies}`;
    await this.#drop(name);
    // File by file, not through the WAL: quick, and nothing of it is left to be written while we measure.
    const strategy = this.version >= 150_000 ? 'strategy file_copy' : '';
    await this.admin.query(`create database ${name} template ${template} ${strategy}`);
    try {
      return await work(this.url(name));
    } finally {
      await this.#drop(name);
    }
  }

  /** Before every measurement, so that none pays for what another one has written. */
  async checkpoint() {
    await this.admin.query('checkpoint');
  }

  async #drop(database: string) {
    await this.admin.query(`drop database if exists ${database} with (force)`);
  }

  /** What to know about the server when reading the figures. */
  async facts(): Promise<Record<string, string>> {
    const { rows } = await this.admin.query(`
      select name, current_setting(name) as value
      from unnest(array[
        'server_version', 'shared_buffers', 'maintenance_work_mem', 'max_wal_size', 'max_parallel_maintenance_workers',
        'fsync', 'full_page_writes', 'synchronous_commit', 'wal_level', 'autovacuum'
      ]) as name`);
    return {
      kind: process.env['PG_GHOST_BENCH_URL'] ? 'PG_GHOST_BENCH_URL' : 'embedded',
      ...Object.fromEntries(rows.map(({ name, value }) => [name, value])),
    };
  }

  async close() {
    for (const name of this.#templates.keys()) await this.#drop(name).catch(() => undefined);
    await this.admin.end();
    await this.stop();
  }
}

function nameOf(kind: 'table' | 'pgbench', size: number) {
  return `${prefix}_${kind}_${size}`;
}

async function makeTable(url: string, rows: number) {
  return await withClient(url, async (client) => {
    await fillTable(client, rows);
    return await tableSize(client);
  });
}

export async function connect(url: string) {
  const client = new pg.Client({ connectionString: url, application_name: 'pg-ghost benchmark' });
  // A server that is stopped under us shows in the query that runs; an idle client would end the process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
