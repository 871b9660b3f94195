/**
 * Who runs the embedded server, and where it may keep its files.
 *
 * PostgreSQL refuses to run as root, so as root the server gets nobody's ids. An account of our own would need a
 * change to the machine, and a bare number without an entry in the account database is not enough: initdb looks
 * its own name up.
 */
import { execFile } from 'node:child_process';
import { chown, mkdtemp, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FailedError } from '../errors.js';

const run = promisify(execFile);

/** The ids to give to `spawn`; null: our own, which are fit to run a server. */
export type ServerAccount = { readonly uid: number; readonly gid: number } | null;

/** @throws FailedError `embedded-account` as root where there is no account called nobody */
export async function serverAccount(): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return null;
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (option) => Number((await run('id', [option, 'nobody'])).stdout)),
    );
    if (!Number.isInteger(uid) || !Number.isInteger(gid)) throw new Error('id printed no number');
    return { uid: uid as number, gid: gid as number };
  } catch (cause) {
    throw new FailedError(
      'embedded-account',
      'PostgreSQL does not run as root, and the account nobody was not found',
      {
        hint: 'run as an ordinary user',
        cause,
      },
    );
  }
}

/**
 * Makes the one directory that holds everything of a server, owned by its account and closed to everybody else.
 * TMPDIR may be root's own (`/root/tmp`): as root, the first place is taken that the account can get to.
 */
export async function createServerDirectory(account: ServerAccount): Promise<string> {
  const places = account === null ? [tmpdir()] : [tmpdir(), '/tmp', '/var/tmp'];
  for (const place of places) {
    if (account !== null && !(await isOpenToAll(place))) continue;
    const directory = await mkdtemp(join(await realpath(place), 'pg-ghost-'));
    if (account !== null) await chown(directory, account.uid, account.gid);
    return directory;
  }
  throw new FailedError(
    'embedded-directory',
    `no temporary directory that nobody may enter: ${places.join(', ')}`,
    {
      hint: 'set TMPDIR to a directory that every account can enter, or run as an ordinary user',
    },
  );
}

/** Whether any account may pass through every folder from the root down to here. */
async function isOpenToAll(path: string): Promise<boolean> {
  try {
    for (let folder = await realpath(path); ; folder = dirname(folder)) {
      if (((await stat(folder)).mode & 0o001) === 0) return false;
      if (folder === dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}
