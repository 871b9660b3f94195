/** What all parts of a round share: the server, what happened when, and the first promise that was broken. */
import pg from 'pg';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Something that pg-ghost promises did not hold. Ends the soak. */
export class BrokenPromise extends Error {}

/** Recovery after a crash in the middle of a checkpoint, on a busy machine. */
const serverBackMs = 60_000;

export class World {
  /** @type {{ at: number, what: string }[]} */
  timeline = [];
  /** @type {Error | null} */
  broken = null;
  /** How often the server went away, and whether it is away now. */
  crashes = 0;
  serverIsDown = false;
  /** Backends of pg-ghost, also of those that are gone: who was at the other end of a deadlock? */
  ghostPids = new Set(/** @type {number[]} */ ([]));
  #started = performance.now();
  #stop = new AbortController();

  /**
   * @param {import('../../dist/lab/embedded-server.js').EmbeddedServer} server
   * @param {string} database
   */
  constructor(server, database) {
    this.server = server;
    this.database = database;
    this.url = server.url(database);
    this.toolUrl = this.url;
    setMaxListeners(0, this.#stop.signal);
  }

  /** @param {string} role pg-ghost connects as */
  connectToolAs(role) {
    const url = new URL(this.url);
    url.username = encodeURIComponent(role);
    this.toolUrl = url.href;
  }

  /** Aborted when a promise was broken: everybody goes home. */
  get over() {
    return this.#stop.signal;
  }

  /** @param {string} what */
  note(what) {
    this.timeline.push({ at: (performance.now() - this.#started) / 1000, what });
  }

  /** @param {unknown} error */
  fail(error) {
    const broken = error instanceof Error ? error : new Error(String(error));
    this.note(`BROKEN: ${broken.message}`);
    this.broken ??= broken;
    this.#stop.abort(broken);
  }

  /**
   * Waits for a server that is being restarted.
   *
   * @param {string} [name]
   * @param {string} [url]
   */
  async connect(name = 'soak', url = this.url) {
    for (const deadline = performance.now() + serverBackMs; ;) {
      const client = new pg.Client({ connectionString: url, application_name: name });
      // What happens to it shows in the query that runs; an idle client would end the process.
      client.on('error', () => undefined);
      try {
        await client.connect();
        return client;
      } catch (error) {
        await client.end().catch(() => undefined);
        if (!isConnectionLoss(error) || performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  /**
   * @template T
   * @param {(client: pg.Client) => Promise<T>} work
   * @param {string} [name]
   * @param {string} [url]
   * @returns {Promise<T>}
   */
  async withClient(work, name, url) {
    const client = await this.connect(name, url);
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** @param {{ immediate: boolean }} how */
  async restartServer(how) {
    this.serverIsDown = true;
    this.crashes += 1;
    try {
      await this.server.restart(how);
    } finally {
      this.serverIsDown = false;
    }
  }
}

/**
 * SQLSTATE, or Node's code.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function codeOf(error) {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** @param {unknown} error */
export function isConnectionLoss(error) {
  const code = codeOf(error);
  if (code.startsWith('08') || ['57P01', '57P02', '57P03'].includes(code)) return true;
  if (['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code)) return true;
  return (
    error instanceof Error &&
    /Connection terminated|not queryable|Client was closed|socket/i.test(error.message)
  );
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function textOf(error) {
  if (!(error instanceof Error)) return String(error);
  const { detail, where } = /** @type {{ detail?: string, where?: string }} */ (
    /** @type {unknown} */ (error)
  );
  return [`${codeOf(error)} ${error.message}`, detail, where].filter(Boolean).join(' | ');
}
