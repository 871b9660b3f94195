/** The tool as its users run it: a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/pg-ghost.js', import.meta.url));
const peakMemory = new URL('./peak-memory.mjs', import.meta.url).href;

/**
 * @typedef {object} ToolRun
 * @property {number} seconds from the start of the process to its end
 * @property {number} peakBytes the most memory that the process ever had in RAM
 * @property {Record<string, number>} phases seconds of each
 * @property {number} rows copied
 * @property {number} holdMs
 * @property {{ from: number, to: number } | null} cutover when the phase began and when the swap was through; ms since the epoch
 */

/**
 * `pg-ghost run --json` with its defaults.
 *
 * @param {string} url
 * @param {readonly string[]} args
 * @returns {Promise<ToolRun>}
 */
export async function runTool(url, args) {
  const started = performance.now();
  const child = spawn(process.execPath, ['--import', peakMemory, program, 'run', '--json', ...args], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const streams = /** @type {import('node:stream').Readable[]} */ ([
    child.stdout,
    child.stderr,
    child.stdio[3],
  ]);
  const [[exitCode], stdout, stderr, peak] = await Promise.all([
    once(child, 'close'),
    ...streams.map((stream) => text(stream)),
  ]);
  const seconds = (performance.now() - started) / 1000;
  if (exitCode !== 0) throw new Error(`pg-ghost run ended with ${exitCode}: ${stderr || stdout}`);
  const events = (stdout ?? '')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const done = events.at(-1);
  return {
    seconds,
    peakBytes: Number(peak),
    phases: Object.fromEntries(
      events.filter(({ event }) => event === 'phase:done').map((event) => [event.phase, event.seconds]),
    ),
    rows: done.rows,
    cutover: cutoverOf(events),
    holdMs: done.holdMs,
  };
}

/** @param {readonly { event: string, phase?: string, at: string }[]} events */
function cutoverOf(events) {
  const began = events.find(({ event, phase }) => event === 'phase:started' && phase === 'cutover');
  const ended = events.find(({ event }) => event === 'cutover:done');
  return began === undefined || ended === undefined
    ? null
    : { from: Date.parse(began.at), to: Date.parse(ended.at) };
}
