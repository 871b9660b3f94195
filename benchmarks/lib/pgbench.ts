/** The program pgbench, and its own tables. */
import { spawnSync } from 'node:child_process';

/** The table of pgbench that its writers change, and a change of it that writes every row and index anew. */
export const pgbenchTable = 'public.pgbench_accounts';
export const pgbenchChange = 'alter column aid type bigint';

/** @returns the program, null where there is none */
export function findPgbench(): string | null {
  const program = process.env['PGBENCH'] || 'pgbench';
  return program !== 'none' && spawnSync(program, ['--version']).status === 0 ? program : null;
}

/** @param scale 100,000 rows each */
export async function initialize(pgbench: string, url: string, scale: number) {
  const { status, stderr } = spawnSync(pgbench, ['--initialize', '--quiet', `--scale=${scale}`], {
    env: { ...process.env, ...libpqEnvironment(url) },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`pgbench --initialize failed: ${stderr}`);
}

/** Not on the command line, where everybody could read the password. */
export function libpqEnvironment(url: string) {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const sslMode = searchParams.get('sslmode');
  return {
    PGHOST: decodeURIComponent(hostname),
    PGPORT: port || '5432',
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    ...(sslMode === null ? {} : { PGSSLMODE: sslMode }),
  };
}
