/** Where to connect: a URL, or libpq's environment variables (which `pg` reads by itself), with libpq's `sslmode`. */
import { readFileSync } from 'node:fs';
import type { ClientConfig } from 'pg';
import { parse as parseConnectionString } from 'pg-connection-string';
import { UsageError } from '../errors.js';

export interface ConnectionOptions {
  /** `postgres://user:password@host:port/database?sslmode=require`; without it the PG* variables decide. */
  readonly url?: string;
  /** From PGSSLMODE and PGSSLROOTCERT when the URL does not say. */
  readonly sslMode?: string;
  readonly sslRootCert?: string;
}

/** For messages and the state: no password in it, ever. */
export function describeConnection(options: ConnectionOptions): string {
  if (options.url === undefined) return 'the server named by the PG* variables';
  const { host, port, database } = parseUrl(options.url);
  return `${host ?? 'localhost'}:${port ?? 5432}/${database ?? ''}`;
}

/**
 * The configurations to try, in order. `prefer`, libpq's default, is TLS without looking at the certificate and,
 * where the server does not speak TLS, the same without.
 */
export function connectionConfigs(options: ConnectionOptions): ClientConfig[] {
  const parsed = options.url === undefined ? {} : parseUrl(options.url);
  const { sslMode, sslRootCert, url: _, ...config } = { url: '', ...withoutUndefined(options), ...parsed };
  return sslConfigs(sslMode ?? 'prefer', sslRootCert).map((ssl) => ({ ...config, ssl }));
}

/** The server answered that it does not do TLS. pg has no code for it; the text is its own. */
export function isTlsNotSupported(error: unknown): boolean {
  return error instanceof Error && error.message === 'The server does not support SSL connections';
}

interface ParsedUrl {
  user?: string;
  password?: string;
  host?: string;
  port?: number;
  database?: string;
  options?: string;
  sslMode?: string;
  sslRootCert?: string;
}

function parseUrl(url: string): ParsedUrl {
  let parsed: ReturnType<typeof parseConnectionString>;
  const [base = url, query = ''] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  const sslMode = parameters.get('sslmode');
  const sslRootCert = parameters.get('sslrootcert');
  parameters.delete('sslmode');
  parameters.delete('sslrootcert');
  try {
    if (!/^postgres(ql)?:\/\//.test(base)) throw new Error('not a postgres:// URL');
    parsed = parseConnectionString(parameters.size > 0 ? `${base}?${parameters.toString()}` : base);
  } catch {
    // The cause may repeat the URL, and with it the password.
    throw new UsageError('bad-dsn', 'the connection URL cannot be read', {
      hint: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE; characters such as @ / # in a password must be percent-encoded',
    });
  }
  return withoutUndefined({
    user: parsed.user,
    password: parsed.password,
    host: parsed.host ?? undefined,
    port: parsed.port ? Number(parsed.port) : undefined,
    database: parsed.database ?? undefined,
    options: parsed.options,
    sslMode: sslMode ?? undefined,
    sslRootCert: sslRootCert ?? undefined,
  });
}

/**
 * libpq's meanings (https://www.postgresql.org/docs/current/libpq-ssl.html): `require` encrypts without checking the
 * certificate unless a root certificate is given; only `verify-full` checks the host name.
 */
function sslConfigs(mode: string, rootCert: string | undefined): NonNullable<ClientConfig['ssl']>[] {
  const ca = rootCert === undefined ? {} : { ca: readRootCert(rootCert) };
  const anyCertificate = { rejectUnauthorized: false };
  const anyHost = { ...ca, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  switch (mode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, anyCertificate];
    case 'prefer':
      return [anyCertificate, false];
    case 'require':
      return [rootCert === undefined ? anyCertificate : anyHost];
    case 'verify-ca':
      return [anyHost];
    case 'verify-full':
      return [{ ...ca, rejectUnauthorized: true }];
    default:
      throw new UsageError('bad-sslmode', `unknown sslmode "${mode}"`, {
        hint: 'disable, allow, prefer, require, verify-ca or verify-full',
      });
  }
}

function readRootCert(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError('bad-sslrootcert', `cannot read the root certificate ${path}`, { cause });
  }
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
