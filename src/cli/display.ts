/** How a run is shown: as JSON lines, live in a terminal, or line by line. */
import { jsonReporter } from '../report/json-reporter.js';
import { plainLinesReporter } from '../report/plain-lines.js';
import type { Reporter } from '../report/reporter.js';
import { terminalReporter } from '../report/terminal.js';
import { commandLine } from './command-line.js';
import type { Invocation } from './invocation.js';

export function createReporter(
  { stdout }: Invocation,
  { json, colour }: { json: boolean; colour: boolean },
): Reporter {
  if (json) return jsonReporter((line) => stdout.line(line));
  if (stdout.isTTY)
    return terminalReporter({ stream: stdout.terminal, look: () => stdout.look(colour), say: commandLine });
  return plainLinesReporter({
    write: (line) => stdout.line(line),
    look: stdout.look(colour),
    say: commandLine,
  });
}
