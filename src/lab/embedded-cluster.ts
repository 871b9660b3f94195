/** The data directory of the embedded server: made by initdb, configured in postgresql.conf. */
import { appendFile, chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServerProcess, type ServerProcessPlace } from './server-process.js';

/** Names and values for postgresql.conf. */
export type ServerSettings = Readonly<Record<string, string>>;

/**
 * Makes a cluster whose superuser `postgres` logs in with the password, and gives whether that worked; if not, the log
 * says why.
 */
export async function createCluster(
  initdb: string,
  dataDirectory: string,
  password: string,
  place: ServerProcessPlace,
  signal?: AbortSignal,
): Promise<boolean> {
  const { directory, account } = place;
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account !== null) await chown(passwordFile, account.uid, account.gid);
  const program = await ServerProcess.start(
    initdb,
    [
      `--pgdata=${dataDirectory}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      // A new cluster that a power failure breaks is thrown away like any other.
      '--no-sync',
    ],
    place,
  );
  const exitCode = await program.exitCode(signal);
  await rm(passwordFile);
  return exitCode === 0;
}

/** Of two lines with the same name the later one counts. */
export async function configureCluster(dataDirectory: string, settings: ServerSettings): Promise<void> {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`,
  );
  await appendFile(join(dataDirectory, 'postgresql.conf'), lines.join(''));
}
