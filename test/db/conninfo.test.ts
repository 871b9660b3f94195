/** What is written of a connection, as libpq reads it. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { describeConnection } from '../../src/db/connection.js';
import { parseConninfo } from '../../src/db/conninfo/conninfo-string.js';
import { findPassword, readPasswordFile } from '../../src/db/conninfo/password-file.js';
import { parseService } from '../../src/db/conninfo/service-file.js';
import { resolveTarget } from '../../src/db/conninfo/target.js';
import { tlsAttempts } from '../../src/db/tls.js';

const home = mkdtempSync(join(tmpdir(), 'pg-ghost-conninfo-'));
afterAll(() => rmSync(home, { recursive: true }));

const target = (
  url: string | undefined,
  environment: Record<string, string> = {},
): ReturnType<typeof resolveTarget> =>
  resolveTarget({ ...(url === undefined ? {} : { url }), environment: { HOME: home, ...environment } });

function codeOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'none';
}

describe('strings', () => {
  test.each([
    ['postgres://', {}],
    ['postgresql://h', { host: 'h' }],
    [
      'postgres://u:p%40%2F%20@h:5433/d%20b?sslmode=require',
      { user: 'u', password: 'p@/ ', host: 'h', port: '5433', dbname: 'd b', sslmode: 'require' },
    ],
    ['postgres://u:p@ss@h/d', { user: 'u', password: 'p@ss', host: 'h', dbname: 'd' }],
    ['postgres://a:1,b,[::1]:3/d', { host: 'a,b,::1', port: '1,,3', dbname: 'd' }],
    ['postgres:///d?host=/var/run/x&port=5', { dbname: 'd', host: '/var/run/x', port: '5' }],
    ['postgres://%2Ftmp%2Fs/d', { host: '/tmp/s', dbname: 'd' }],
    ['postgres://h?options=-c%20a%3Db+c&ssl=true', { host: 'h', options: '-c a=b+c', sslmode: 'require' }],
    ['host=h dbname=d', { host: 'h', dbname: 'd' }],
    [
      " host = 'a b'\tpassword='it\\'s \\\\' user=x\\ y  port=\n5 ",
      { host: 'a b', password: "it's \\", user: 'x y', port: '5' },
    ],
    ["options='' host=::1", { options: '', host: '::1' }],
  ])('%s', (text, expected) => {
    expect(Object.fromEntries(parseConninfo(text))).toEqual(expected);
  });

  test.each([
    ['mysql://h/d', 'bad-dsn'],
    ['shop', 'bad-dsn'],
    ['postgres://h/%zz', 'bad-dsn'],
    ['postgres://h/%00', 'bad-dsn'],
    ['postgres://[::1/d', 'bad-dsn'],
    ['postgres://h?sslmode', 'bad-dsn'],
    ["host=h password='never", 'bad-dsn'],
    ['host=h password', 'bad-dsn'],
    ['postgres://h?schema=public', 'connection-parameter'],
    ['host=h Host=h', 'connection-parameter'],
  ])('%s is refused: %s', (text, code) => {
    expect(codeOf(() => parseConninfo(text))).toBe(code);
    expect(() => parseConninfo(text)).not.toThrow(/never/);
  });
});

test('the string goes before the service, that before the environment, and that before the default', () => {
  const file = join(home, '.pg_service.conf');
  writeFileSync(
    file,
    '# all\n[other]\nhost=no\n[shop]\nhost=of-service\nport=6000\nuser=of-service\n[shop]\nuser=no\n',
  );
  const environment = {
    PGSERVICE: 'shop',
    PGHOST: 'of-env',
    PGUSER: 'of-env',
    PGDATABASE: 'of-env',
    PGPORT: '7000',
  };
  expect(target('user=of-string', environment)).toMatchObject({
    hosts: [{ name: 'of-service', address: null, port: 6000 }],
    user: 'of-string',
    database: 'of-env',
  });
  expect(target('service=other', environment).hosts).toMatchObject([{ name: 'no', port: 7000 }]);
  expect(target('host=x', { PGUSER: 'u' })).toMatchObject({ user: 'u', database: 'u' });
  expect(describeConnection({ url: 'postgres://u:secret@a:1,[::1]:2/d', environment: {} })).toBe(
    'a:1,[::1]:2/d',
  );
  expect(codeOf(() => target('service=none'))).toBe('bad-service');
  expect(codeOf(() => target(undefined, { PGSERVICE: 'shop', PGSERVICEFILE: '/nowhere' }))).toBe(
    'bad-service',
  );
  const system = join(home, 'etc');
  mkdirSync(system);
  writeFileSync(join(system, 'pg_service.conf'), '[far]\nhost=of-system\n');
  expect(target('service=far', { PGSYSCONFDIR: system }).hosts).toMatchObject([{ name: 'of-system' }]);
  rmSync(file);
});

test.each([
  ['[s]\nhost', 'bad-service'],
  ['[s]\nservice=t', 'bad-service'],
  ['[s]\nldap://x/y', 'bad-service'],
  ['[s]\nhots=h', 'connection-parameter'],
  ['[t]\nhots=h\n[s]\nhost=h', 'none'],
])('a service file with %j: %s', (text, code) => {
  expect(codeOf(() => parseService(text, 's', 'f'))).toBe(code);
});

test.each([
  ['host=a,b hostaddr=1.2.3.4', 'connection-parameter'],
  ['host=a,b port=1,2,3', 'connection-parameter'],
  ['host=a port=0', 'connection-parameter'],
  ['host=a port=x', 'connection-parameter'],
  ['host=a connect_timeout=soon', 'connection-parameter'],
  ['host=a target_session_attrs=master', 'connection-parameter'],
  ['host=a load_balance_hosts=yes', 'connection-parameter'],
  ['host=a gssencmode=require', 'connection-parameter'],
  ['host=a requirepeer=postgres', 'connection-parameter'],
  ['host=a replication=database', 'connection-parameter'],
  ['host=a sslcertmode=require', 'connection-parameter'],
  ['host=a gssencmode=disable application_name=x keepalives=0 client_encoding=LATIN1', 'none'],
])('%s: %s', (text, code) => {
  expect(codeOf(() => target(text))).toBe(code);
});

test('hosts, ports, addresses and times', () => {
  expect(target('host=a,b,/s hostaddr=1.1.1.1,,::1 port=5433').hosts).toEqual([
    { name: 'a', address: '1.1.1.1', port: 5433 },
    { name: 'b', address: null, port: 5433 },
    { name: '/s', address: '::1', port: 5433 },
  ]);
  expect(target('hostaddr=1.1.1.1').hosts).toEqual([{ name: '1.1.1.1', address: '1.1.1.1', port: 5432 }]);
  expect(target('').hosts).toEqual([{ name: 'localhost', address: null, port: 5432 }]);
  expect([1, 0, -1, 7].map((n) => target(`connect_timeout=${n}`).connectTimeoutMs)).toEqual([
    2000,
    null,
    null,
    7000,
  ]);
  expect(target('tcp_user_timeout=5 keepalives_count=3').notices).toHaveLength(2);
});

test('password files: the first line that fits, and only where nobody else may read them', () => {
  const line = String.raw;
  const text = [
    '# host:5432:d:u:comment',
    line`host:5432:d:other:no`,
    line`ho\:st:*:d:u:a\:b\\c:d`,
    line`localhost:5433:*:*:sock`,
    '::1:*:*:*:never',
    line`*:*:*:u:any`,
  ].join('\n');
  const find = (host: string, port = '5432', user = 'u'): string | null =>
    findPassword(text, { host, port, database: 'd', user });
  expect([find('ho:st'), find('localhost', '5433', 'x'), find('far'), find('far', '1', 'x')]).toEqual([
    'a:b\\c:d',
    'sock',
    'any',
    null,
  ]);
  const file = join(home, '.pgpass');
  writeFileSync(file, '*:*:*:*:found\n', { mode: 0o644 });
  chmodSync(file, 0o644);
  expect(readPasswordFile(file)).toMatchObject({
    text: null,
    ignored: expect.stringContaining('chmod 0600') as string,
  });
  const of = (text_: string): string => {
    const found = target(text_);
    return found.password(found.hosts[0] as (typeof found.hosts)[0]);
  };
  expect(() => of('host=h')).toThrow('the server asks for a password, and none was given; the password file');
  chmodSync(file, 0o600);
  expect(of('host=h')).toBe('found');
  expect(of('host=h password=given')).toBe('given');
  writeFileSync(join(home, 'mine'), 'localhost:*:*:*:mine\n', { mode: 0o600 });
  expect(of(`host=/tmp passfile='${join(home, 'mine')}'`)).toBe('mine');
});

describe('sslmode', () => {
  const ways = (text: string): unknown[] => {
    const found = target(text);
    return tlsAttempts(found, found.hosts[0] as (typeof found.hosts)[0]).map(({ ssl }) =>
      ssl === false ? 'plain' : ssl.rejectUnauthorized === true ? 'checked' : 'encrypted',
    );
  };
  test('without a root certificate', () => {
    expect(ways('host=h')).toEqual(['encrypted', 'plain']);
    expect(ways('host=h sslmode=allow')).toEqual(['plain', 'encrypted']);
    expect(ways('host=h sslmode=disable')).toEqual(['plain']);
    expect(ways('host=h sslmode=require')).toEqual(['encrypted']);
    expect(ways('host=h requiressl=1')).toEqual(['encrypted']);
    expect(ways('host=/tmp sslmode=require')).toEqual(['plain']);
    expect(ways('host=h sslrootcert=system')).toEqual(['checked']);
    expect(codeOf(() => ways('host=h sslmode=verify-full'))).toBe('bad-sslrootcert');
    expect(codeOf(() => ways('host=h sslmode=require sslrootcert=/nowhere'))).toBe('bad-sslrootcert');
    expect(codeOf(() => ways('host=h sslmode=require sslrootcert=system'))).toBe('bad-sslmode');
    expect(codeOf(() => ways('host=h sslmode=no-verify'))).toBe('bad-sslmode');
    expect(codeOf(() => ways('host=h sslnegotiation=direct'))).toBe('bad-sslmode');
    expect(codeOf(() => ways('host=h sslcert=/nowhere'))).toBe('bad-client-certificate');
  });
  test('a root certificate that is there is used by every mode that encrypts', () => {
    mkdirSync(join(home, '.postgresql'));
    writeFileSync(join(home, '.postgresql', 'root.crt'), 'a certificate');
    expect(ways('host=h')).toEqual(['checked', 'plain']);
    expect(ways('host=h sslmode=require')).toEqual(['checked']);
    expect(ways('host=h sslmode=verify-full')).toEqual(['checked']);
  });
});
