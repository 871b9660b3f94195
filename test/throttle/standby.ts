/**
 * A streaming standby of an embedded server, made by a base backup of its files: the embedded packages have no
 * pg_basebackup. https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chown, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { Session } from '../../src/db/session.js';
import { createServerDirectory, serverAccount, type ServerAccount } from '../../src/lab/embedded-account.js';
import { findBinaries, runnableBinaries } from '../../src/lab/embedded-binaries.js';
import { configureCluster } from '../../src/lab/embedded-cluster.js';
import type { EmbeddedServer } from '../../src/lab/embedded-server.js';
import { readServerLog, ServerProcess, type ServerProcessPlace } from '../../src/lab/server-process.js';
import { Watchdog } from '../../src/lab/watchdog.js';
import { until } from '../support/until.js';

const run = promisify(execFile);

export class Standby implements AsyncDisposable {
  #postmaster: ServerProcess | null = null;

  /** Use `startStandby`. */
  constructor(
    /** Of the superuser, read-only. */
    readonly url: string,
    private readonly postgres: string,
    private readonly place: ServerProcessPlace,
  ) {}

  /** Returns when it accepts connections. Nothing of a pause of the replay outlives a stop. */
  async start(): Promise<void> {
    const { directory } = this.place;
    const postmaster = await ServerProcess.start(this.postgres, ['-D', join(directory, 'data')], this.place);
    this.#postmaster = postmaster;
    await until(
      async () => {
        if (!postmaster.isRunning) throw new Error(`the standby ended: ${await readServerLog(directory)}`);
        return connects(this.url);
      },
      { what: 'the standby to accept connections' },
    );
  }

  async stop(): Promise<void> {
    this.#postmaster?.kill('SIGINT');
    await this.#postmaster?.exitCode();
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.place.watchdog.end();
  }
}

/** Returns when the standby accepts connections. `name` is its application_name at the primary. */
export async function startStandby(primary: EmbeddedServer, name: string): Promise<Standby> {
  const account = await serverAccount();
  const directory = await createServerDirectory(account);
  const watchdog = new Watchdog(directory);
  try {
    const data = join(directory, 'data');
    await backUp(primary, data, account);
    const port = await freePort();
    await configureCluster(data, {
      port: String(port),
      primary_conninfo: `host=${primary.host} port=${primary.port} user=postgres password=${primary.password} application_name=${name}`,
      // Soon, so that the primary knows soon.
      wal_receiver_status_interval: '1s',
    });
    await ownedFile(join(data, 'standby.signal'), '', account);
    const { postgres } = await runnableBinaries(await findBinaries(primary.major), directory, account);
    const url = `postgresql://postgres:${primary.password}@${primary.host}:${port}/postgres`;
    const standby = new Standby(url, postgres, { directory, account, watchdog });
    await standby.start();
    return standby;
  } catch (error) {
    await watchdog.end();
    throw error;
  }
}

/** Copies the files of a running server with what makes them consistent. Who copies as root keeps their owner. */
async function backUp(primary: EmbeddedServer, data: string, account: ServerAccount): Promise<void> {
  const client = new pg.Client({ connectionString: primary.url() });
  await client.connect();
  try {
    const isOld = primary.major < 15;
    await client.query(
      isOld ? `select pg_start_backup('standby', true, false)` : `select pg_backup_start('standby', true)`,
    );
    await run('cp', ['-Rp', primary.dataDirectory, data]);
    const { rows } = await client.query<{ label: string }>(
      `select labelfile as label from ${isOld ? 'pg_stop_backup(false, false)' : 'pg_backup_stop(false)'}`,
    );
    await rm(join(data, 'postmaster.pid'));
    await ownedFile(join(data, 'backup_label'), rows[0]?.label ?? '', account);
  } finally {
    await client.end();
  }
}

async function ownedFile(path: string, content: string, account: ServerAccount): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  if (account !== null) await chown(path, account.uid, account.gid);
}

async function connects(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    await client.query('select');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Holds a standby where it is; it goes on with the end of the block at the latest. */
export async function pausedReplay(url: string): Promise<{ resume(): Promise<void> } & AsyncDisposable> {
  const session = await Session.open({ connection: { url } });
  await session.rows('select pg_wal_replay_pause()');
  await until(
    async () =>
      (await session.row<{ state: string }>('select pg_get_wal_replay_pause_state() as state')).state ===
      'paused',
    { what: 'the replay to pause' },
  );
  const resume = async (): Promise<void> => {
    await session.rows('select pg_wal_replay_resume()');
  };
  return {
    resume,
    [Symbol.asyncDispose]: async () => {
      await resume();
      await session.close();
    },
  };
}
