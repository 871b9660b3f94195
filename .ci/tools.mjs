/**
 * Makes a checkout ready to run the benchmarks and the soak, which are TypeScript that Node 20 does not run: prepares
 * everything else, and compiles them to `build`, with the part of `src` that they use. `build` is no part of the package.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './prepare.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
// Incremental: it finds out by itself whether there is anything to do.
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.tools.json'],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);
if (status !== 0) process.exit(status || 1);
