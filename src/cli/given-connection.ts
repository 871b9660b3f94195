/** Where to connect, from the command line and the environment; and what must not be printed of it. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { secretsOf } from '../report/redact.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `--dsn`, else DATABASE_URL; what they do not say is libpq's matter: services, its variables, its defaults. */
export function connectionFrom(dsn: string | undefined, env: Environment): ConnectionOptions {
  const url = set(dsn) ?? set(env['DATABASE_URL']);
  return { ...(url === undefined ? {} : { url }), environment: env };
}

/** What of the environment is about the one server that is changed is not about another. */
export function replicaFrom(url: string, env: Environment): ConnectionOptions {
  const aboutOne = ['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGTARGETSESSIONATTRS', 'PGLOADBALANCEHOSTS'];
  return {
    url,
    environment: Object.fromEntries(Object.entries(env).filter(([name]) => !aboutOne.includes(name))),
  };
}

/** Looks at the raw arguments: a misspelt option is quoted in the message as well. */
export function secretsFrom(argv: readonly string[], env: Environment): string[] {
  const texts = [...argv, set(env['DATABASE_URL']) ?? ''];
  const urls = texts.flatMap((text) => {
    const start = text.search(/[a-z][a-z0-9+.-]*:\/\//i);
    return start < 0 ? [] : secretsOf(text.slice(start));
  });
  const password = set(env['PGPASSWORD']);
  const known = [env['PGUSER'], env['PGDATABASE']];
  return [
    ...urls,
    ...texts.flatMap(keywordSecrets),
    ...(password === undefined || known.includes(password) ? [] : [password]),
  ];
}

/** `password='it''s' sslpassword=x` of a connection string: as written and as meant. */
function keywordSecrets(text: string): string[] {
  const value = String.raw`\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\&]|\\.)+)`;
  const valuesOf = (names: string): string[] =>
    [...text.matchAll(new RegExp(`\\b(?:${names})${value}`, 'gi'))].map(([, found = '']) =>
      found.startsWith("'") ? found.slice(1, -1) : found,
    );
  const known = new Set(valuesOf('user|dbname'));
  return valuesOf('password|sslpassword')
    .filter((secret) => !known.has(secret))
    .flatMap((secret) => [...new Set([secret, secret.replaceAll(/\\(.)/gsu, '$1')])]);
}

/** Docker and CI systems pass empty variables for unset ones; libpq takes them for unset too. */
function set(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}
