/** What running one or several benchmarks has in common: options, server, output. */
import { pathToFileURL } from 'node:url';
import { Lab } from './lab.mjs';
import { readOptions } from './options.mjs';
import { count, machineFacts, progress, renderLines, writeJson } from './output.mjs';

/**
 * @typedef {(lab: Lab, options: import('./options.mjs').Options) => Promise<import('./output.mjs').Result>} Benchmark
 */

/**
 * Runs the benchmarks if `module` is what Node was started with.
 *
 * @param {string} module `import.meta.url`
 * @param {string} name
 * @param {Readonly<Record<string, Benchmark>>} benchmarks
 */
export async function runIfMain(module, name, benchmarks) {
  if (module !== pathToFileURL(process.argv[1] ?? '').href) return;
  const options = readOptions(name);
  const started = performance.now();
  const lab = await Lab.open(options);
  try {
    const machine = machineFacts();
    const server = await lab.facts();
    /** @type {Record<string, import('./output.mjs').Result>} */
    const results = {};
    for (const [each, benchmark] of Object.entries(benchmarks)) {
      progress(`${each}`);
      results[each] = await benchmark(lab, options);
    }
    const all = Object.values(results);
    console.log(renderLines(all.flatMap(({ lines }) => lines)));
    for (const note of all.flatMap(({ notes }) => notes)) console.log(note);
    console.log(
      `PostgreSQL ${server.server_version} (${server.kind}), ${machine.cores} cores, ${machine.memory}, Node ${machine.node}; ` +
        `medians of ${count(options.rounds)} rounds (lowest-highest)`,
    );
    const data = Object.fromEntries(
      Object.entries(results).map(([each, { data: figures }]) => [each, figures]),
    );
    writeJson(options.out, { options, machine, server, ...data });
    const minutes = (performance.now() - started) / 60_000;
    progress(`figures in ${options.out}; ${minutes.toFixed(1)} minutes`);
  } finally {
    await lab.close();
  }
}
