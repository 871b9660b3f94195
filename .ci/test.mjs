/**
 * `npm test`: prepare, the checks, then vitest with the arguments given. Its last line is `N passed, N failed` (and
 * `, N skipped`), taken from vitest's report; there is no such line when the tests did not get to run.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './prepare.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const checks = ['typecheck', 'lint', 'format:check', 'imports', 'unused'];

if (await checksPass()) process.exitCode = await runTests(process.argv.slice(2));
else process.exitCode = 1;

async function checksPass() {
  const failed = [];
  // One after the other: each of them uses all cores by itself.
  for (const check of checks) {
    const { status, output } = await run('npm', ['run', '--silent', check]);
    if (status === 0) continue;
    failed.push(check);
    console.error(`${output.trimEnd()}\n`);
  }
  if (failed.length > 0) console.error(`checks failed, tests not run: ${failed.join(', ')}`);
  else console.log(`checks passed: ${checks.join(', ')}`);
  return failed.length === 0;
}

async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'pg-ghost-report-'));
  try {
    const report = join(folder, 'report.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { status } = await run(process.execPath, [vitest, 'run', ...reporters, ...args], { show: true });
    const counts = countsIn(report);
    if (counts === null || counts.passed + counts.failed === 0) {
      console.error('vitest ran no test');
      return status || 1;
    }
    // Not a failed test, but not a pass either: an error outside of every test, a server that did not start.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    console.log(summary(counts));
    return counts.failed === 0 ? 0 : status || 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** null when vitest did not come as far as its report. */
function countsIn(report) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return null;
  }
  // A file that could not even be loaded has no tests to count.
  const brokenFiles = results.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + brokenFiles.length,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Runs a program to its end: with its output as it comes, or collected. */
function run(program, args, { show = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status: status ?? 1, output }));
  });
}
