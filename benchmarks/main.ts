/** The benchmarks on one server, one after the other: all of them, or those that are named. One table, one file. */
import { captureHold } from './capture-hold.js';
import { copyVsInsert } from './copy-vs-insert.js';
import { captureCost } from './capture-cost.js';
import { cutoverHold, cutoverHoldWithDependents } from './cutover-hold.js';
import { impact } from './impact.js';
import { Lab } from './lib/lab.js';
import { type Options, readOptions } from './lib/options.js';
import { count, machineFacts, progress, renderLines, type Result, writeJson } from './lib/output.js';
import { memory } from './memory.js';
import { rollbackWindow } from './rollback-window.js';
import { runVsAlter } from './run-vs-alter.js';

type Benchmark = (lab: Lab, options: Options) => Promise<Result>;

/** By the name on the command line: what it measures, by what the figures are called. */
const benchmarks: Readonly<Record<string, Readonly<Record<string, Benchmark>>>> = {
  'run-vs-alter': { 'run-vs-alter': runVsAlter },
  'copy-vs-insert': { 'copy-vs-insert': copyVsInsert },
  'cutover-hold': {
    'cutover-hold': cutoverHold,
    'cutover-hold with dependents': cutoverHoldWithDependents,
  },
  memory: { memory },
  impact: { impact },
  'capture-hold': { 'capture-hold': captureHold },
  'capture-cost': { 'capture-cost': captureCost },
  'rollback-window': { 'rollback-window': rollbackWindow },
};

const options = readOptions(Object.keys(benchmarks));
const started = performance.now();
const lab = await Lab.open(options);
try {
  const machine = machineFacts();
  const server = await lab.facts();
  const results: Record<string, Result> = {};
  for (const [name, measure] of options.benchmarks.flatMap((each) =>
    Object.entries(benchmarks[each] ?? {}),
  )) {
    progress(name);
    results[name] = await measure(lab, options);
  }
  const all = Object.values(results);
  console.log(renderLines(all.flatMap(({ lines }) => lines)));
  for (const note of all.flatMap(({ notes }) => notes)) console.log(note);
  console.log(
    `PostgreSQL ${server['server_version']} (${server['kind']}), ${machine.cores} cores, ${machine.memory}, Node ${machine.node}; ` +
      `medians of ${count(options.rounds)} rounds (lowest-highest)`,
  );
  const data = Object.fromEntries(
    Object.entries(results).map(([name, { data: figures }]) => [name, figures]),
  );
  writeJson(options.out, { options, machine, server, ...data });
  const minutes = (performance.now() - started) / 60_000;
  progress(`figures in ${options.out}; ${minutes.toFixed(1)} minutes`);
} finally {
  await lab.close();
}
