/**
 * The one place that decides which PostgreSQL the tests run on:
 *
 * 1. `PG_GHOST_TEST_URL`: a server that runs already, by a superuser's URL; with wal_level=logical and
 *    max_prepared_transactions above zero.
 * 2. `PG_GHOST_TEST_SERVER=docker`: a container of `PG_GHOST_TEST_IMAGE` (postgres:18).
 * 3. otherwise the embedded server of the wanted major version.
 */
import pg from 'pg';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';

export interface TestServer extends AsyncDisposable {
  /** Of a superuser, in a database that no test touches. */
  readonly url: string;
  readonly major: number;
}

/** Fast, because nothing here has to survive a power failure; everything else as in production, or as a test needs it. */
const settings = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '128MB',
  max_connections: '200',
  max_prepared_transactions: '20',
  wal_level: 'logical',
  max_replication_slots: '50',
  max_wal_senders: '50',
  // Errors that a test provokes are that test's matter.
  log_min_messages: 'fatal',
  log_checkpoints: 'off',
};

/** @param major the wanted version where we have the choice (embedded only) */
export async function startTestServer(major: EmbeddedMajor): Promise<TestServer> {
  const given = process.env['PG_GHOST_TEST_URL'];
  if (given !== undefined && given !== '') {
    return { url: given, major: await majorOf(given), [Symbol.asyncDispose]: async () => {} };
  }
  if (process.env['PG_GHOST_TEST_SERVER'] === 'docker') return startContainer();
  const server = await startEmbeddedServer({ major, settings });
  return { url: server.url(), major, [Symbol.asyncDispose]: () => server.stop({ immediate: true }) };
}

async function startContainer(): Promise<TestServer> {
  // Loaded here only: it takes most of a second.
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const container = await new PostgreSqlContainer(process.env['PG_GHOST_TEST_IMAGE'] ?? 'postgres:18')
    .withCommand([
      'postgres',
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ])
    .start();
  const url = container.getConnectionUri();
  return {
    url,
    major: await majorOf(url),
    [Symbol.asyncDispose]: async () => {
      await container.stop();
    },
  };
}

async function majorOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
    return Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  } finally {
    await client.end();
  }
}
