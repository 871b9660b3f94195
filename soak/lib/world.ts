/** What all parts of a round share: the server, what happened when, and the first promise that was broken. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { EmbeddedServer } from '../../src/lab/embedded-server.js';

/** Something that pg-ghost promises did not hold. Ends the soak. */
export class BrokenPromise extends Error {}

/** Recovery after a crash in the middle of a checkpoint, on a busy machine. */
const serverBackMs = 60_000;

export class World {
  timeline: { at: number; what: string }[] = [];
  broken: Error | null = null;
  /** How often the server went away, and whether it is away now. */
  crashes = 0;
  serverIsDown = false;
  /** Backends of pg-ghost, also of those that are gone: who was at the other end of a deadlock? */
  ghostPids = new Set<number>();
  #started = performance.now();
  #stop = new AbortController();

  readonly url: string;
  /** As whom pg-ghost connects. */
  toolUrl: string;

  constructor(
    readonly server: EmbeddedServer,
    readonly database: string,
  ) {
    this.url = server.url(database);
    this.toolUrl = this.url;
    setMaxListeners(0, this.#stop.signal);
  }

  connectToolAs(role: string) {
    const url = new URL(this.url);
    url.username = encodeURIComponent(role);
    this.toolUrl = url.href;
  }

  /** Aborted when a promise was broken: everybody goes home. */
  get over() {
    return this.#stop.signal;
  }

  note(what: string) {
    this.timeline.push({ at: (performance.now() - this.#started) / 1000, what });
  }

  fail(error: unknown) {
    const broken = error instanceof Error ? error : new Error(String(error));
    this.note(`BROKEN: ${broken.message}`);
    this.broken ??= broken;
    this.#stop.abort(broken);
  }

  /** Waits for a server that is being restarted. */
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

  async withClient<T>(work: (client: pg.Client) => Promise<T>, name?: string, url?: string): Promise<T> {
    const client = await this.connect(name, url);
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async restartServer(how: { immediate: boolean }) {
    this.serverIsDown = true;
    this.crashes += 1;
    try {
      await this.server.restart(how);
    } finally {
      this.serverIsDown = false;
    }
  }
}

/** SQLSTATE, or Node's code. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function isConnectionLoss(error: unknown) {
  const code = codeOf(error);
  if (code.startsWith('08') || ['57P01', '57P02', '57P03'].includes(code)) return true;
  if (['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code)) return true;
  return (
    error instanceof Error &&
    /Connection terminated|not queryable|Client was closed|socket/i.test(error.message)
  );
}

export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { detail, where } = error as unknown as { detail?: string; where?: string };
  return [`${codeOf(error)} ${error.message}`, detail, where].filter(Boolean).join(' | ');
}
