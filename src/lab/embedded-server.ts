/**
 * A PostgreSQL server that needs nothing but npm packages, for the demo, the tests, the benchmarks and the soak. It listens on a
 * free port of 127.0.0.1, keeps everything in one temporary directory, and never outlives our process (watchdog.ts).
 *
 * Passwords (scram), not trust: on a machine with other users, trust on the loopback address would make every one of
 * them a superuser of this server, and with that able to run programs as its account.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FailedError } from '../errors.js';
import { createServerDirectory, type ServerAccount, serverAccount } from './embedded-account.js';
import {
  type EmbeddedBinaries,
  type EmbeddedMajor,
  findBinaries,
  runnableBinaries,
} from './embedded-binaries.js';
import { configureCluster, createCluster, type ServerSettings } from './embedded-cluster.js';
import { readServerLog, ServerProcess } from './server-process.js';
import { Watchdog } from './watchdog.js';

/** Generous: crash recovery of a large demo table on a slow disk is the longest start there is. */
const startTimeoutMs = 60_000;
/** A fast shutdown writes a checkpoint and waits for WAL receivers; after this it is not worth more waiting. */
const fastShutdownMs = 10_000;
/** Another process may take the free port between our look and the server's start. */
const portAttempts = 5;

export interface EmbeddedServerOptions {
  readonly major?: EmbeddedMajor;
  /** For postgresql.conf. Without any, the server is as durable as a production server. */
  readonly settings?: ServerSettings;
  /** Gives up the start and leaves nothing. Once started, the server is ended by `stop` alone. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a server: about a second, most of it initdb.
 *
 * @throws FailedError `embedded-not-installed`, `embedded-platform`, `embedded-account`, `embedded-directory`,
 *   `embedded-not-runnable`, `embedded-not-started`; the signal's reason
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
  const { major = 18, settings = {}, signal } = options;
  signal?.throwIfAborted();
  const installed = await findBinaries(major);
  const account = await serverAccount();
  const directory = await createServerDirectory(account);
  const watchdog = new Watchdog(directory);
  try {
    const binaries = await runnableBinaries(installed, directory, account);
    const server = new EmbeddedServer({ major, directory, binaries, account, watchdog });
    await server.initialize(settings, signal);
    return server;
  } catch (error) {
    await watchdog.end();
    signal?.throwIfAborted();
    throw error;
  }
}

interface EmbeddedServerParts {
  readonly major: EmbeddedMajor;
  readonly directory: string;
  readonly binaries: EmbeddedBinaries;
  readonly account: ServerAccount;
  readonly watchdog: Watchdog;
}

export class EmbeddedServer implements AsyncDisposable {
  readonly host = '127.0.0.1';
  /** Of the superuser, who is called postgres. */
  readonly password = randomBytes(18).toString('base64url');
  readonly dataDirectory: string;
  readonly #parts: EmbeddedServerParts;
  #port = 0;
  #postmaster: ServerProcess | null = null;
  #stopped: Promise<void> | null = null;

  /** Use `startEmbeddedServer`. */
  constructor(parts: EmbeddedServerParts) {
    this.#parts = parts;
    this.dataDirectory = join(parts.directory, 'data');
  }

  get major(): EmbeddedMajor {
    return this.#parts.major;
  }

  get port(): number {
    return this.#port;
  }

  /** A connection URL. The superuser's password is filled in. */
  url(database = 'postgres', user = 'postgres', password = user === 'postgres' ? this.password : ''): string {
    const login = [user, ...(password === '' ? [] : [password])].map(encodeURIComponent).join(':');
    return `postgresql://${login}@${this.host}:${this.#port}/${encodeURIComponent(database)}`;
  }

  /** Ends the server and removes its directory. Once is enough, more often is harmless. */
  stop({ immediate = false }: { immediate?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stop(immediate);
    return this.#stopped;
  }

  async #stop(immediate: boolean): Promise<void> {
    if (!immediate) await this.#shutDown('SIGINT');
    await this.#parts.watchdog.end();
  }

  /**
   * Stops and starts with the same data on the same port. `immediate` is a crash: no checkpoint, recovery at the start.
   * `settings` are added to postgresql.conf.
   */
  async restart(options: { immediate?: boolean; settings?: ServerSettings } = {}): Promise<void> {
    if (this.#stopped !== null) throw new Error('the embedded server has been stopped');
    await this.#shutDown(options.immediate === true ? 'SIGQUIT' : 'SIGINT');
    await configureCluster(this.dataDirectory, options.settings ?? {});
    await this.#start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** @internal */
  async initialize(settings: ServerSettings, signal?: AbortSignal): Promise<void> {
    const { directory, binaries } = this.#parts;
    if (!(await createCluster(binaries.initdb, this.dataDirectory, this.password, this.#parts, signal))) {
      throw await this.#notStarted('initdb failed');
    }
    await configureCluster(this.dataDirectory, { timezone: 'UTC', log_timezone: 'UTC', ...settings });
    for (let attempt = 1; ; attempt += 1) {
      this.#port = await freePort(this.host);
      await configureCluster(this.dataDirectory, {
        listen_addresses: this.host,
        port: String(this.#port),
        // A socket's path must stay below 108 bytes, which TMPDIR alone can exceed, and nobody needs one.
        unix_socket_directories: '',
      });
      try {
        return await this.#start(signal);
      } catch (error) {
        const log = await readServerLog(directory);
        if (!log.includes('could not create any TCP/IP sockets') || attempt === portAttempts) throw error;
      }
    }
  }

  async #start(signal?: AbortSignal): Promise<void> {
    const postmaster = await ServerProcess.start(
      this.#parts.binaries.postgres,
      ['-D', this.dataDirectory],
      this.#parts,
    );
    this.#postmaster = postmaster;
    const deadline = Date.now() + startTimeoutMs;
    while (!(await this.#isReady(postmaster))) {
      if (!postmaster.isRunning) throw await this.#notStarted('the server ended while it was starting');
      if (Date.now() > deadline)
        throw await this.#notStarted(`not ready after ${startTimeoutMs / 1000} seconds`);
      await sleep(20, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** What pg_ctl looks at: line 8 of postmaster.pid. The file that a crash left behind has another process id. */
  async #isReady(postmaster: ServerProcess): Promise<boolean> {
    const lines = (await readFile(join(this.dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split(
      '\n',
    );
    return Number(lines[0]) === postmaster.pid && lines[7]?.trim() === 'ready';
  }

  async #shutDown(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === null) return;
    postmaster.kill(signal);
    const hurry = setTimeout(() => postmaster.kill('SIGQUIT'), fastShutdownMs);
    await postmaster.exitCode();
    clearTimeout(hurry);
    this.#postmaster = null;
  }

  async #notStarted(why: string): Promise<FailedError> {
    const lastLines = (await readServerLog(this.#parts.directory))
      .trimEnd()
      .split('\n')
      .slice(-15)
      .join('\n');
    return new FailedError(
      'embedded-not-started',
      `embedded PostgreSQL ${this.major}: ${why}\n${lastLines}`.trim(),
      {
        state: 'nothing is left of it',
      },
    );
  }
}

async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
