/** The tool as its users run it: a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** From build/benchmarks/lib, where this is compiled to. */
export const toolProgram = fileURLToPath(new URL('../../../bin/pg-ghost.js', import.meta.url));
const peakMemory = new URL('./peak-memory.js', import.meta.url).href;

export interface ToolRun {
  /** From the start of the process to its end */
  readonly seconds: number;
  /** The most memory that the process ever had in RAM */
  readonly peakBytes: number;
  /** Seconds of each */
  readonly phases: Record<string, number>;
  /** Copied */
  readonly rows: number;
  readonly holdMs: number;
  /** When the phase began and when the swap was through; ms since the epoch */
  readonly cutover: { from: number; to: number } | null;
}

/** `pg-ghost run --json` with its defaults. */
export async function runTool(url: string, args: readonly string[]): Promise<ToolRun> {
  const started = performance.now();
  const child = spawn(process.execPath, ['--import', peakMemory, toolProgram, 'run', '--json', ...args], {
    env: { ...process.env, DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const streams = [child.stdout, child.stderr, child.stdio[3]] as Readable[];
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

function cutoverOf(events: readonly { event: string; phase?: string; at: string }[]) {
  const began = events.find(({ event, phase }) => event === 'phase:started' && phase === 'cutover');
  const ended = events.find(({ event }) => event === 'cutover:done');
  return began === undefined || ended === undefined
    ? null
    : { from: Date.parse(began.at), to: Date.parse(ended.at) };
}
