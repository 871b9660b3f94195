/** What every benchmark can be told on its command line. */
import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {number} rows of the large table
 * @property {number} rounds each round measures everything once, side by side
 * @property {number} swaps measured cutovers, and as many bare swaps
 * @property {number} swapRows of the table that is swapped: its size does not matter for the hold
 * @property {number} writers
 * @property {number} major of the embedded server
 * @property {string} out file for the figures as JSON
 */

const usage = `options:
  --rows N       rows of the large table (3000000)
  --rounds N     rounds, each on fresh copies of the table (3)
  --swaps N      cutovers to measure (24)
  --swap-rows N  rows of the table that is swapped (100000)
  --writers N    writers while tables are swapped (4)
  --major N      version of the embedded server, 14 to 18 (18)
  --out FILE     figures as JSON (benchmarks/results/<benchmark>.json)
environment:
  PG_GHOST_BENCH_URL  a server of yours instead (a superuser's URL; databases are made and dropped)
  PGBENCH             path of pgbench; "none": writers in Node even where there is a pgbench`;

/**
 * Ends the process after `--help` and on wrong usage.
 *
 * @param {string} name of the benchmark
 * @returns {Options}
 */
export function readOptions(name) {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: '3000000' },
        rounds: { type: 'string', default: '3' },
        swaps: { type: 'string', default: '24' },
        'swap-rows': { type: 'string', default: '100000' },
        writers: { type: 'string', default: '4' },
        major: { type: 'string', default: '18' },
        out: { type: 'string', default: `benchmarks/results/${name}.json` },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return {
      rows: wholeNumber('rows', values.rows),
      rounds: wholeNumber('rounds', values.rounds),
      swaps: wholeNumber('swaps', values.swaps),
      swapRows: wholeNumber('swap-rows', values['swap-rows']),
      writers: wholeNumber('writers', values.writers),
      major: wholeNumber('major', values.major),
      out: values.out,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function wholeNumber(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: a whole number from 1, not "${text}"`);
  return value;
}
