import { expect, test } from 'vitest';
import { connectionFrom, replicaFrom, secretsFrom } from '../../src/cli/given-connection.js';

test('--dsn goes before DATABASE_URL, and that before the variables of libpq; empty ones count as unset', () => {
  const env = { DATABASE_URL: 'postgres://env/db', PGHOST: 'libpq' };
  expect(connectionFrom('postgres://option/db', env)).toEqual({
    url: 'postgres://option/db',
    environment: env,
  });
  expect(connectionFrom(undefined, env)).toEqual({ url: 'postgres://env/db', environment: env });
  expect(connectionFrom(undefined, { DATABASE_URL: '' })).toEqual({ environment: { DATABASE_URL: '' } });
});

test('a replica is not where the environment says the server is', () => {
  const env = { PGHOST: 'h', PGSERVICE: 's', PGTARGETSESSIONATTRS: 'primary', PGUSER: 'u', HOME: '/h' };
  expect(replicaFrom('postgres://r', env)).toEqual({
    url: 'postgres://r',
    environment: { PGUSER: 'u', HOME: '/h' },
  });
});

test.each([
  [['run', '-d', 'postgres://me:one@db/shop'], {}, ['one']],
  [['run', '--dsn=postgres://me:one@db/shop'], {}, ['one']],
  [['run', '-dpostgres://me:one@db/shop'], {}, ['one']],
  [['run', '--dns=postgres://me:one@db/shop'], {}, ['one']],
  [['run'], { DATABASE_URL: 'postgres://me:two@db/shop' }, ['two']],
  [['run', '--dsn', 'host=h password=four user=me'], {}, ['four']],
  [['run', "--dsn=user=me password = 'it\\'s' sslpassword=six"], {}, ["it\\'s", "it's", 'six']],
  [['run', '-d', 'postgres://me@db/shop?sslpassword=seven'], {}, ['seven', 'seven']],
  [['run', '-d', 'user=me password=me'], {}, []],
  [['run'], { PGPASSWORD: 'three', PGUSER: 'me' }, ['three']],
  [['run'], { PGPASSWORD: 'me', PGUSER: 'me' }, []],
])('secrets of %j with %j', (argv, env, secrets) => {
  expect(secretsFrom(argv, env)).toEqual(secrets);
});
