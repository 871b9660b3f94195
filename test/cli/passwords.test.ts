/** A password given in any way is printed in none. */
import { expect, test } from 'vitest';
import { FailedError, UsageError } from '../../src/errors.js';
import { started } from '../report/events.js';
import { invoke } from './invoke.js';

const secret = 'hunter2-Xy';
const url = `postgres://me:${secret}@db.example.com/shop`;
const shape = ['--table', 'orders', '--rewrite'];

const failures: readonly (readonly [string, Error])[] = [
  ['quoting the URL', new Error(`connect ENOTFOUND ${url}`)],
  ['quoting the password alone', new Error(`password authentication failed: "${secret}"`)],
  ['in the cause', new FailedError('f', 'failed', { cause: new Error(url) })],
  [
    'in details, state and hint',
    new UsageError('u', url, { state: secret, hint: url, details: { url, list: [secret] } }),
  ],
];

const inputs: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>])[] = [
  ['--dsn URL', ['run', ...shape, '--dsn', url], {}],
  ['--dsn=URL', ['run', ...shape, `--dsn=${url}`], {}],
  ['-dURL', ['run', ...shape, `-d${url}`], {}],
  ['DATABASE_URL', ['run', ...shape], { DATABASE_URL: url }],
  ['PGPASSWORD', ['run', ...shape], { PGPASSWORD: secret }],
];

const modes = [[], ['--json'], ['--log-level', 'debug'], ['--json', '--log-level', 'debug']] as const;

for (const [input, args, env] of inputs) {
  for (const [where, error] of failures) {
    // With PGPASSWORD there is no URL of ours to quote.
    test.each(modes.map((mode) => [mode]))(`${input}, ${where}, %j`, async (mode) => {
      const { stdout, stderr } = await invoke([...args, ...mode], {
        env,
        library: {
          migrate: ({ onEvent }) => {
            onEvent?.(started);
            return Promise.reject(error);
          },
        },
      });
      const printed = stdout.text + stderr.text;
      expect(printed).toContain('***');
      expect(printed).not.toContain(secret);
    });
  }
}

test.each([
  [['run', '--dns', url]],
  [['run', `--dns=${url}`]],
  [['run', url]],
  [['plan', ...shape, '--dsn', url, '--workers', url]],
  [['run', ...shape, '--workers', url]],
  [['run', ...shape, '--log-level', url]],
  [['run', ...shape, '--file', url]],
  [['status', url]],
  [[url]],
])('wrong usage: %j', async (args) => {
  for (const all of [args, [...args, '--json']]) {
    const { exitCode, stdout, stderr } = await invoke(all);
    expect(exitCode).toBe(2);
    expect(stdout.text + stderr.text).not.toContain(secret);
  }
});
