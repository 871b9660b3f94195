/**
 * A run in a process of its own, so that it can be killed or frozen: the library as it is installed. It prints a line of
 * JSON for each point that it reaches, for each event, and for its end.
 *
 * Its one argument: `{ url, request, settings, command, actions: [{ point, nth, action }] }`; a command is for migration 1, which has
 * swapped. At the nth time of the point it
 * kills itself (`kill`), freezes (`freeze`), or waits for a line on its standard input (`hold`).
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { finalize, migrate, rollback, rollforward } from '../../dist/index.js';

const { url, request, settings, actions, command } = JSON.parse(process.argv[2]);
const later = { finalize, rollback, rollforward };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const reached = new Map();

/** Synchronous: what was reached is known even if this process ends at once. */
function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function onPoint(point) {
  const nth = (reached.get(point) ?? 0) + 1;
  reached.set(point, nth);
  say({ point, nth });
  switch (actions.find((each) => each.point === point && each.nth === nth)?.action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      return await new Promise(() => {});
    case 'freeze':
      return process.kill(process.pid, 'SIGSTOP');
    case 'hold':
      return await lines.next();
  }
}

try {
  const onEvent = ({ event }) => say({ event });
  const options = { connection: { url }, settings, onPoint, onEvent };
  if (command === undefined) {
    const { plan: _, ...result } = await migrate({ ...options, request });
    say({ result });
  } else {
    say({ result: (await later[command](options, 1)) ?? {} });
  }
} catch (error) {
  const { code, exitCode, message } = error;
  say({ error: { code, exitCode, message } });
}
process.stdin.destroy();
