/**
 * Makes a checkout ready to run: the packages of package-lock.json in node_modules, and `dist` built from `src`. Says and
 * does nothing when both are so already, and ends the process when that fails. Plain Node without dependencies: it runs
 * before there are any. Run it, or import it for its effect.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = join(root, 'dist', '.built');

if (!packagesAreInstalled()) {
  console.log('installing packages');
  // Like `npm ci` it installs what the lock file says and leaves the file alone, but it does not give up when the lock
  // file, written on one platform, lacks a package that is for another. npm hands its own flags down in the
  // environment (`npm test --silent`); a silent install that fails would be a riddle.
  run('npm', ['install', '--no-save', '--loglevel=error', '--no-progress']);
}
if (!distIsBuilt()) {
  console.log('building dist: tsc');
  build();
}

/**
 * Compares package-lock.json with what npm noted down about node_modules. Not by time: a checkout or a branch switch
 * touches the one without changing it.
 */
function packagesAreInstalled() {
  const wanted = readLock('package-lock.json');
  const installed = readLock('node_modules/.package-lock.json');
  if (installed === null) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed[path];
    // An optional package is missing where it is for another platform.
    if (found === undefined) return optional === true;
    return found.version === version && (integrity === undefined || found.integrity === integrity);
  });
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

function distIsBuilt() {
  if (!existsSync(stamp) || !existsSync(join(root, 'dist', 'cli', 'main.js'))) return false;
  const builtAt = statSync(stamp).mtimeMs;
  return (
    newest([...filesIn('src'), 'tsconfig.json', 'tsconfig.build.json']) <= builtAt && orphans().length === 0
  );
}

function build() {
  // The start of the build is what counts: a file saved while tsc runs may not be in it.
  const startedAt = new Date();
  run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  for (const orphan of orphans()) rmSync(orphan);
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt);
}

/** What an earlier build made of sources that are gone. */
function orphans() {
  return filesIn('dist').filter((file) => {
    if (!/\.(js|d\.ts)$/.test(file)) return false;
    const source = relative(join(root, 'dist'), file).replace(/\.(js|d\.ts)$/, '.ts');
    return !existsSync(join(root, 'src', source));
  });
}

/** Absolute paths. */
function filesIn(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function newest(files) {
  return Math.max(...files.map((file) => statSync(resolve(root, file)).mtimeMs));
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) console.error(`could not run ${program}: ${error.message}`);
  if (status !== 0) process.exit(status || 1);
}
