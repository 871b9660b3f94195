/** The server that is measured, and fresh databases on it. */
import pg from 'pg';
import { startEmbeddedServer } from '../../dist/lab/embedded-server.js';
import { initialize } from './pgbench.mjs';
import { fillTable, tableSize } from './table.mjs';

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
  /** @type {Map<string, unknown>} name of the database -> what its making gave */
  #templates = new Map();
  #copies = 0;

  /**
   * @param {pg.Client} admin
   * @param {(database: string) => string} url
   * @param {() => Promise<void>} stop
   * @param {number} version `server_version_num`
   */
  constructor(admin, url, stop, version) {
    this.admin = admin;
    this.url = url;
    this.version = version;
    this.#stop = stop;
  }

  #stop;

  /** @param {import('./options.mjs').Options} options */
  static async open({ major }) {
    const given = process.env['PG_GHOST_BENCH_URL'];
    if (given !== undefined && given !== '') {
      const url = (/** @type {string} */ database) => {
        const changed = new URL(given);
        changed.pathname = `/${database}`;
        return changed.href;
      };
      return await Lab.#connect(given, url, async () => {});
    }
    const server = await startEmbeddedServer({
      major: /** @type {import('../../dist/lab/embedded-binaries.js').EmbeddedMajor} */ (major),
      settings: embeddedSettings,
    });
    return await Lab.#connect(
      server.url(),
      (database) => server.url(database),
      () => server.stop({ immediate: true }),
    );
  }

  /**
   * @param {string} adminUrl
   * @param {(database: string) => string} url
   * @param {() => Promise<void>} stop
   */
  static async #connect(adminUrl, url, stop) {
    try {
      const admin = await connect(adminUrl);
      const { rows } = await admin.query(`select current_setting('server_version_num')::int as version`);
      return new Lab(admin, url, stop, rows[0].version);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /**
   * How large the table is that `withTable` gives.
   *
   * @param {number} rows
   */
  async size(rows) {
    return await this.#template(nameOf('table', rows), (url) => makeTable(url, rows));
  }

  /**
   * Gives `work` a fresh copy of the table in a database of its own.
   *
   * @template T
   * @param {number} rows
   * @param {(url: string) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async withTable(rows, work) {
    return await this.#withCopy(nameOf('table', rows), (url) => makeTable(url, rows), work);
  }

  /**
   * The same with the tables of pgbench.
   *
   * @template T
   * @param {string} pgbench the program
   * @param {number} scale 100,000 rows each
   * @param {(url: string) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async withPgbench(pgbench, scale, work) {
    return await this.#withCopy(nameOf('pgbench', scale), (url) => initialize(pgbench, url, scale), work);
  }

  /**
   * A database that nobody changes; made once.
   *
   * @template T
   * @param {string} name
   * @param {(url: string) => Promise<T>} make
   * @returns {Promise<T>}
   */
  async #template(name, make) {
    if (!this.#templates.has(name)) {
      await this.#drop(name);
      await this.admin.query(`create database ${name}`);
      this.#templates.set(name, await make(this.url(name)));
    }
    return /** @type {T} */ (this.#templates.get(name));
  }

  /**
   * @template T
   * @param {string} template
   * @param {(url: string) => Promise<unknown>} make
   * @param {(url: string) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #withCopy(template, make, work) {
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

  /** @param {string} database */
  async #drop(database) {
    await this.admin.query(`drop database if exists ${database} with (force)`);
  }

  /** What to know about the server when reading the figures. */
  async facts() {
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
    await this.#stop();
  }
}

/**
 * @param {'table' | 'pgbench'} kind
 * @param {number} size
 */
function nameOf(kind, size) {
  return `${prefix}_${kind}_${size}`;
}

/**
 * @param {string} url
 * @param {number} rows
 */
async function makeTable(url, rows) {
  return await withClient(url, async (client) => {
    await fillTable(client, rows);
    return await tableSize(client);
  });
}

/** @param {string} url */
export async function connect(url) {
  const client = new pg.Client({ connectionString: url, application_name: 'pg-ghost benchmark' });
  // A server that is stopped under us shows in the query that runs; an idle client would end the process.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/**
 * @template T
 * @param {string} url
 * @param {(client: pg.Client) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withClient(url, work) {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
