/** `pg-ghost demo`: all of it on an embedded server, under load. */
import { commandLine } from '../command-line.js';
import { Option } from '@commander-js/extra-typings';
import type { EmbeddedMajor } from '../../lab/embedded-binaries.js';
import { plainLinesReporter } from '../../report/plain-lines.js';
import type { Reporter } from '../../report/reporter.js';
import { terminalReporter } from '../../report/terminal.js';
import { createCommand, work } from '../command.js';
import type { Invocation } from '../invocation.js';
import { outputOptions } from '../options.js';
import { wholeNumber } from '../../settings/kinds.js';
import { parserOf } from '../values.js';

const majors = { min: 14, max: 18 };

export function demoCommand(invocation: Invocation) {
  return createCommand('demo', invocation)
    .description(
      'watch it: a server of its own, a table under load, the change, and the proof that no write was lost',
    )
    .addOption(
      new Option('--rows <N>', 'rows of the table (1000-50000000)')
        .argParser(parserOf(wholeNumber('N', { min: 1000, max: 50_000_000 })))
        .default(1_000_000),
    )
    .addOption(
      new Option('--writers <N>', 'connections that write meanwhile (1-32)')
        .argParser(parserOf(wholeNumber('N', { min: 1, max: 32 })))
        .default(4),
    )
    .addOption(
      new Option('--major <VERSION>', 'of PostgreSQL (14-18); needs its npm package')
        .argParser(parserOf(wholeNumber('VERSION', majors)))
        .default(18),
    )
    .addOption(outputOptions.noColor)
    .action(async (values) => {
      let reporter: Reporter | null = null;
      await work(
        invocation,
        values,
        async ({ library, common: { signal } }) => {
          const { stdout } = invocation;
          // The embedded server's code is of no use to anybody else's command.
          const { runDemo } = await import('../demo/demo.js');
          const look = stdout.look(values.color);
          await runDemo({
            rows: values.rows,
            writers: values.writers,
            major: values.major as EmbeddedMajor,
            signal,
            library,
            print: (line) => stdout.line(line),
            look,
            reporter: (footer) => {
              reporter = stdout.isTTY
                ? terminalReporter({
                    stream: stdout.terminal,
                    look: () => stdout.look(values.color),
                    footer,
                    say: commandLine,
                  })
                : plainLinesReporter({ write: (line) => stdout.line(line), look, say: commandLine });
              return reporter;
            },
          });
        },
        {
          aftermath: () => ({ state: 'the embedded server and its data are gone' }),
          aside: (write) => (reporter === null ? write() : reporter.above(write)),
        },
      );
    });
}
