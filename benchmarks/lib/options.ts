/** What every benchmark can be told on its command line. */
import { parseArgs } from 'node:util';

export interface Options {
  /** Names, in the order of running. */
  readonly benchmarks: readonly string[];
  /** Of the large table */
  readonly rows: number;
  /** Each round measures everything once, side by side */
  readonly rounds: number;
  /** Measured cutovers, and as many bare swaps */
  readonly swaps: number;
  /** Of the table that is swapped: its size does not matter for the hold */
  readonly swapRows: number;
  readonly writers: number;
  /** Of the embedded server */
  readonly major: number;
  /** File for the figures as JSON */
  readonly out: string;
}

const usage = (names: readonly string[]): string => `usage: npm run bench -- [benchmark ...] [options]
benchmarks: ${names.join(', ')} (all of them)
options:
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

/** Ends the process after `--help` and on wrong usage. */
export function readOptions(names: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rows: { type: 'string', default: '3000000' },
        rounds: { type: 'string', default: '3' },
        swaps: { type: 'string', default: '24' },
        'swap-rows': { type: 'string', default: '100000' },
        writers: { type: 'string', default: '4' },
        major: { type: 'string', default: '18' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage(names));
      process.exit(0);
    }
    const unknown = positionals.filter((name) => !names.includes(name));
    if (unknown.length > 0) throw new Error(`no such benchmark: ${unknown.join(', ')}`);
    const chosen = names.filter((name) => positionals.length === 0 || positionals.includes(name));
    const file = chosen.length === names.length ? 'all' : chosen.join('+');
    return {
      benchmarks: chosen,
      rows: wholeNumber('rows', values.rows),
      rounds: wholeNumber('rounds', values.rounds),
      swaps: wholeNumber('swaps', values.swaps),
      swapRows: wholeNumber('swap-rows', values['swap-rows']),
      writers: wholeNumber('writers', values.writers),
      major: wholeNumber('major', values.major),
      out: values.out ?? `benchmarks/results/${file}.json`,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage(names)}`);
    process.exit(2);
  }
}

function wholeNumber(name: string, text: string) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name}: a whole number from 1, not "${text}"`);
  return value;
}
