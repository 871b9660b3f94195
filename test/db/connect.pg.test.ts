/** To whom it connects, and how: hosts, TLS with certificates, what is said where it fails. */
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { Session } from '../../src/db/session.js';
import { isTransient } from '../../src/db/sqlstate.js';
import { authority, certificate, revocations } from '../support/certificates.js';
import { failure } from '../support/migration.js';
import { createDatabase } from '../support/database.js';

const folder = mkdtempSync(join(tmpdir(), 'pg-ghost-tls-'));
const file = (name: string, text?: string | Buffer): string => {
  const path = join(folder, name);
  if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const root = authority('root');
const stranger = authority('stranger');
const client = certificate('dba', { by: root });
const passphrase = "p'a ss";
let server: EmbeddedServer;

beforeAll(async () => {
  // Another server than that of the other tests has never spoken TLS.
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { fsync: 'off' },
  });
  const own = certificate('server', { by: root, hosts: ['localhost'] });
  const { dataDirectory } = server;
  const { uid, gid } = statSync(dataDirectory);
  const put = (name: string, text: string): void => {
    const path = join(dataDirectory, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, uid, gid);
  };
  put('server.crt', own.pem);
  put('server.key', String(own.key.export({ format: 'pem', type: 'pkcs8' })));
  put('root.crt', root.pem);
  put(
    'pg_hba.conf',
    `hostssl all dba all cert\nhostssl all encrypted all scram-sha-256\nhostnossl all plain all scram-sha-256\n` +
      `host all clear all password\nhost all postgres all scram-sha-256\n`,
  );
  {
    await using session = await Session.open({ connection: { url: server.url(), environment: {} } });
    for (const name of ['dba', 'encrypted', 'plain', 'clear'])
      await session.batch([`create role ${name} login password 'secret'`]);
  }
  await server.restart({ settings: { ssl: 'on', ssl_ca_file: 'root.crt' } });
  file('root.crt', root.pem);
  file('stranger.crt', stranger.pem);
  file('client.crt', client.pem);
  file('client.key', String(client.key.export({ format: 'pem', type: 'pkcs8' })));
  file(
    'locked.key',
    String(client.key.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase })),
  );
  file('client.der', client.key.export({ format: 'der', type: 'pkcs8' }));
  file('open.key', readFileSync(file('client.key')));
  chmodSync(file('open.key'), 0o644);
  file('none.crl', revocations(root, []));
  file('revoked.crl', revocations(root, [own]));
  chmodSync(folder, 0o755);
}, 60_000);

afterAll(async () => {
  await server.stop({ immediate: true });
  rmSync(folder, { recursive: true });
});

/** How a connection is: `TLS` or `plain`, and as whom. */
async function way(text: string, environment: Record<string, string> = {}): Promise<string> {
  const url = `port=${server.port} dbname=postgres ${text.replaceAll('$', `${folder}/`)}`;
  try {
    await using session = await Session.open({
      connection: { url, environment: { HOME: folder, ...environment } },
    });
    const { user, ssl } = await session.row<{ user: string; ssl: boolean }>(
      'select session_user::text as user, ssl from pg_stat_ssl where pid = pg_backend_pid()',
    );
    return `${user} ${ssl ? 'TLS' : 'plain'}`;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(message).not.toContain(passphrase);
    return `${code}: ${message}`;
  }
}

test('client certificates', async () => {
  const cert = 'host=localhost user=dba sslcert=$client.crt';
  expect(await way(`${cert} sslkey=$client.key`)).toBe('dba TLS');
  expect(await way(`${cert} sslkey=$client.der`)).toBe('dba TLS');
  expect(await way(`${cert} sslkey=$locked.key sslpassword='p\\'a ss'`)).toBe('dba TLS');
  expect(
    await way('host=localhost user=dba', { PGSSLCERT: file('client.crt'), PGSSLKEY: file('client.key') }),
  ).toBe('dba TLS');
  expect(
    await way(`${cert} sslkey=$client.key sslmode=verify-full sslrootcert=$root.crt sslcrl=$none.crl`),
  ).toBe('dba TLS');
  expect(await way(`${cert} sslkey=$locked.key`)).toMatch(/^bad-client-certificate: .*cannot be opened/);
  expect(await way(`${cert} sslkey=$locked.key sslpassword=wrong`)).toMatch(/^bad-client-certificate: /);
  expect(await way(`${cert} sslkey=$open.key`)).toMatch(/^bad-client-certificate: .*group or others/);
  expect(await way(`${cert} sslkey=$nothing`)).toMatch(/^bad-client-certificate: cannot read/);
  expect(await way(`${cert} sslkey=$client.key sslcertmode=disable sslmode=require`)).toMatch(
    /^cannot-connect: /,
  );
});

test('the certificate of the server: authority, name, revocation, each as sslmode says', async () => {
  const password = 'user=postgres password=' + server.password;
  const at = (host: string, rest: string): Promise<string> => way(`${password} host=${host} ${rest}`);
  expect(await at('localhost', 'sslmode=verify-full sslrootcert=$root.crt')).toBe('postgres TLS');
  expect(await at('localhost', 'hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=$root.crt')).toBe(
    'postgres TLS',
  );
  expect(await at('127.0.0.1', 'sslmode=verify-ca sslrootcert=$root.crt')).toBe('postgres TLS');
  expect(await at('127.0.0.1', 'sslmode=verify-full sslrootcert=$root.crt')).toMatch(/^cannot-connect: .*IP/);
  expect(await at('other', 'hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=$root.crt')).toMatch(
    /^cannot-connect: /,
  );
  for (const mode of ['require', 'verify-ca', 'verify-full'])
    expect(await at('localhost', `sslmode=${mode} sslrootcert=$stranger.crt`)).toMatch(
      /^cannot-connect: .*(self|unable)/i,
    );
  expect(await at('localhost', 'sslmode=prefer sslrootcert=$stranger.crt')).toBe('postgres plain');
  expect(await at('localhost', 'sslmode=verify-ca sslrootcert=$root.crt sslcrl=$revoked.crl')).toMatch(
    /revoked/,
  );
  expect(await at('localhost', 'sslmode=require ssl_min_protocol_version=TLSv1.3')).toBe('postgres TLS');
  expect(await at('localhost', 'sslmode=disable')).toBe('postgres plain');
  expect(await at('localhost', 'sslmode=require channel_binding=require')).toBe('postgres TLS');
  expect(await at('localhost', 'sslmode=disable channel_binding=require')).toMatch(/channel_binding=require/);
});

test('prefer and allow try the other way where pg_hba.conf has no line for this one, and not after a wrong password', async () => {
  expect(await way('host=localhost user=plain password=secret')).toBe('plain plain');
  expect(await way('host=localhost user=encrypted password=secret sslmode=allow')).toBe('encrypted TLS');
  expect(await way('host=localhost user=encrypted password=wrong')).toMatch(
    /^cannot-connect: [^\n]*password authentication failed/,
  );
});

test('what the server may ask for', async () => {
  const clear = 'host=localhost user=clear password=secret';
  expect(await way(clear)).toBe('clear TLS');
  expect(await way(`${clear} require_auth=scram-sha-256`)).toMatch(/asks for password, which require_auth=/);
  expect(await way(`${clear} require_auth=!password,!md5`)).toMatch(/asks for password/);
  expect(await way(`${clear} require_auth=password,scram-sha-256`)).toBe('clear TLS');
  expect(await way(`${clear} require_auth=gss`)).toMatch(/^connection-parameter: /);
  expect(
    await way('host=localhost user=dba sslcert=$client.crt sslkey=$client.key require_auth=password'),
  ).toMatch(/asks for none/);
  expect(await way('host=localhost user=encrypted', { PGPASSFILE: '/nowhere' })).toMatch(
    /asks for a password, and none was given/,
  );
});

test('several hosts: the first that will do, and each reason where none does', async () => {
  const password = `user=postgres password=${server.password}`;
  const silent = createServer(() => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port: dead } = silent.address() as AddressInfo;
  try {
    const hosts = (ports: readonly number[], rest = ''): string =>
      `host=${ports.map(() => '127.0.0.1').join(',')} port=${ports.join(',')} dbname=postgres ${password} ${rest}`;
    const open = (url: string): Promise<Session> =>
      Session.open({ connection: { url, environment: { HOME: folder } } });
    {
      await using session = await open(
        hosts([1, dead, server.port], 'connect_timeout=2 target_session_attrs=primary'),
      );
      expect(session.pid).toBeGreaterThan(0);
    }
    const error = await failure(open(hosts([1, dead], 'connect_timeout=2 sslmode=disable')));
    expect(error).toMatchObject({
      code: 'cannot-connect',
      details: { hosts: [{ host: '127.0.0.1:1' }, { host: `127.0.0.1:${dead}` }] },
    });
    expect(error.message).toBe(
      `cannot connect to 127.0.0.1:1,127.0.0.1:${dead}/postgres: none of its hosts would do\n` +
        `  127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n  127.0.0.1:${dead}: no answer within 2 s`,
    );
    expect(isTransient(error)).toBe(true);
    const standby = await failure(open(hosts([server.port], 'target_session_attrs=standby')));
    expect(standby.message).toContain('it is a primary, and target_session_attrs=standby');
    // After a failover it may be one.
    expect(isTransient(standby)).toBe(true);
    await using _ = await open(hosts([server.port], 'target_session_attrs=prefer-standby'));
    // Who is not let in there does not go on asking.
    const refused = await failure(open(hosts([server.port, 1]).replace(server.password, 'wrong')));
    expect(refused.message).not.toContain('127.0.0.1:1:');
    expect(isTransient(refused)).toBe(false);
  } finally {
    silent.close();
  }
});

test('a database that is read-only by default is no read-write one', async () => {
  await using db = await createDatabase();
  await db.query(`alter database ${db.name} set default_transaction_read_only = on`);
  const open = (attrs: string): Promise<Session> =>
    Session.open({ connection: { url: `${db.url}?target_session_attrs=${attrs}`, environment: {} } });
  expect((await failure(open('read-write'))).message).toContain('a primary that is read-only');
  await using _ = await open('read-only');
});

test('a server that speaks no TLS is asked for it once, and one that has learnt it since is spoken to as it wants', async () => {
  await using db = await createDatabase();
  const { hostname, port, username, password, pathname } = new URL(db.url);
  let to = { host: hostname, port: Number(port) };
  let connections = 0;
  const between = createServer((socket) => {
    connections += 1;
    const other = connect(to);
    socket.pipe(other).pipe(socket);
    for (const end of [socket, other])
      end.on('error', () => [socket, other].forEach((each) => each.destroy()));
  });
  await once(between.listen(0, '127.0.0.1'), 'listening');
  try {
    const at = `host=127.0.0.1 port=${(between.address() as AddressInfo).port}`;
    const url = `${at} user=${username} password=${password} dbname=${pathname.slice(1)}`;
    const opened = async (): Promise<number> => {
      const before = connections;
      await using _ = await Session.open({ connection: { url, environment: { HOME: folder } } });
      return connections - before;
    };
    // With TLS, without, and one beside it to see that there is no pooler.
    expect(await opened()).toBe(3);
    expect(await opened()).toBe(1);
    to = { host: '127.0.0.1', port: server.port };
    expect(await way(`${at} user=encrypted password=secret`)).toBe('encrypted TLS');
    expect(await way(`${at} user=postgres password=${server.password}`)).toBe('postgres TLS');
  } finally {
    between.close();
  }
});
