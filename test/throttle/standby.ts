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
import { createServerDirectory, serverAccount, type ServerAccount } from '../../src/demo/embedded-account.js';
import { findBinaries, runnableBinaries } from '../../src/demo/embedded-binaries.js';
import { configureCluster } from '../../src/demo/embedded-cluster.js';
import type { EmbeddedServer } from '../../src/demo/embedded-server.js';
import { readServerLog, ServerProcess } from '../../src/demo/server-process.js';
import { Watchdog } from '../../src/demo/watchdog.js';
import { until } from '../support/until.js';

const run = promisify(execFile);

export class Standby implements AsyncDisposable {
  constructor(
    /** Of the superuser, read-only. */
    readonly url: string,
    private readonly watchdog: Watchdog,
  ) {}

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.watchdog.end();
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
    const place = { directory, account, watchdog };
    const postmaster = await ServerProcess.start(postgres, ['-D', data], place);
    const url = `postgresql://postgres:${primary.password}@${primary.host}:${port}/postgres`;
    await until(
      async () => {
        if (!postmaster.isRunning) throw new Error(`the standby ended: ${await readServerLog(directory)}`);
        return connects(url);
      },
      { what: 'the standby to accept connections' },
    );
    return new Standby(url, watchdog);
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
