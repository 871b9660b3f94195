/** Where to connect, from the command line and the environment; and what must not be printed of it. */
import type { ConnectionOptions } from '../db/connection.js';
import { secretsOf } from '../report/redact.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `--dsn`, else DATABASE_URL, else libpq's variables, which `pg` reads by itself except for those of TLS. */
export function connectionFrom(dsn: string | undefined, env: Environment): ConnectionOptions {
  const url = dsn ?? set(env['DATABASE_URL']);
  const sslMode = set(env['PGSSLMODE']);
  const sslRootCert = set(env['PGSSLROOTCERT']);
  return {
    ...(url === undefined ? {} : { url }),
    ...(sslMode === undefined ? {} : { sslMode }),
    ...(sslRootCert === undefined ? {} : { sslRootCert }),
  };
}

/** Looks at the raw arguments: a misspelt option is quoted in the message as well. */
export function secretsFrom(argv: readonly string[], env: Environment): string[] {
  const urls = [...argv, set(env['DATABASE_URL']) ?? ''].flatMap((text) => {
    const start = text.search(/[a-z][a-z0-9+.-]*:\/\//i);
    return start < 0 ? [] : secretsOf(text.slice(start));
  });
  const password = set(env['PGPASSWORD']);
  const known = [env['PGUSER'], env['PGDATABASE']];
  return [...urls, ...(password === undefined || known.includes(password) ? [] : [password])];
}

/** Docker and CI systems pass empty variables for unset ones; libpq takes them for unset too. */
function set(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}
