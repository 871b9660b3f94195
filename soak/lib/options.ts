/** What the soak can be told on its command line. */
import { parseArgs } from 'node:util';

export interface Options {
  /** No round begins later than that */
  readonly minutes: number;
  readonly seed: number;
  /** Of the embedded server */
  readonly major: number;
  /** At most */
  readonly rounds: number;
  /** This one alone */
  readonly round: number | null;
  /** The timeline of every round, not only of one that failed */
  readonly verbose: boolean;
}

const usage = `options:
  --minutes N  no round begins later than that (10)
  --seed S     (random)
  --major N    version of the embedded server, 14 to 18 (18)
  --rounds R   at most so many rounds
  --round K    round K alone, to repeat it
  --verbose    the timeline of every round`;

/** Ends the process after `--help` and on wrong usage. */
export function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string' },
        major: { type: 'string', default: '18' },
        rounds: { type: 'string' },
        round: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(`usage: npm run soak -- [options]\n${usage}`);
      process.exit(0);
    }
    return {
      minutes: positive('minutes', values.minutes),
      seed: values.seed === undefined ? Math.floor(Math.random() * 1e9) : whole('seed', values.seed),
      major: whole('major', values.major),
      rounds: values.rounds === undefined ? Number.POSITIVE_INFINITY : whole('rounds', values.rounds),
      round: values.round === undefined ? null : whole('round', values.round),
      verbose: values.verbose,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

function positive(name: string, text: string) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name}: a number above 0, not ${text}`);
  return number;
}

function whole(name: string, text: string) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name}: a whole number, not ${text}`);
  return number;
}
