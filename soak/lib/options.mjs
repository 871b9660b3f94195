/** What the soak can be told on its command line. */
import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {number} minutes no round begins later than that
 * @property {number} seed
 * @property {number} major of the embedded server
 * @property {number} rounds at most
 * @property {number | null} round this one alone
 * @property {boolean} verbose the timeline of every round, not only of one that failed
 */

const usage = `options:
  --minutes N  no round begins later than that (10)
  --seed S     (random)
  --major N    version of the embedded server, 14 to 18 (18)
  --rounds R   at most so many rounds
  --round K    round K alone, to repeat it
  --verbose    the timeline of every round`;

/**
 * Ends the process after `--help` and on wrong usage.
 *
 * @returns {Options}
 */
export function readOptions() {
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

/**
 * @param {string} name
 * @param {string} text
 */
function positive(name, text) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name}: a number above 0, not ${text}`);
  return number;
}

/**
 * @param {string} name
 * @param {string} text
 */
function whole(name, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name}: a whole number, not ${text}`);
  return number;
}
