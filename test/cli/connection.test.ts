import { expect, test } from 'vitest';
import { connectionFrom, secretsFrom } from '../../src/cli/connection.js';

test('--dsn goes before DATABASE_URL, and that before the PG* variables', () => {
  const env = { DATABASE_URL: 'postgres://env/db', PGHOST: 'libpq' };
  expect(connectionFrom('postgres://option/db', env)).toEqual({ url: 'postgres://option/db' });
  expect(connectionFrom(undefined, env)).toEqual({ url: 'postgres://env/db' });
  expect(connectionFrom(undefined, { PGHOST: 'libpq' })).toEqual({});
});

test('what concerns TLS is handed on; empty variables count as unset', () => {
  expect(connectionFrom(undefined, { PGSSLMODE: 'verify-full', PGSSLROOTCERT: '/ca.pem' })).toEqual({
    sslMode: 'verify-full',
    sslRootCert: '/ca.pem',
  });
  expect(connectionFrom(undefined, { DATABASE_URL: '', PGSSLMODE: '', PGSSLROOTCERT: '' })).toEqual({});
});

test.each([
  [['run', '-d', 'postgres://me:one@db/shop'], {}, ['one']],
  [['run', '--dsn=postgres://me:one@db/shop'], {}, ['one']],
  [['run', '-dpostgres://me:one@db/shop'], {}, ['one']],
  [['run', '--dns=postgres://me:one@db/shop'], {}, ['one']],
  [['run'], { DATABASE_URL: 'postgres://me:two@db/shop' }, ['two']],
  [['run'], { PGPASSWORD: 'three', PGUSER: 'me' }, ['three']],
  [['run'], { PGPASSWORD: 'me', PGUSER: 'me' }, []],
])('secrets of %j with %j', (argv, env, secrets) => {
  expect(secretsFrom(argv, env)).toEqual(secrets);
});
