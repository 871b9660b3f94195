/** `pause`, `unpause`, `set`, `cutover`: commands to a run that is under way, from any machine that reaches the database. */
import { inWords } from '../../advice.js';
import { Argument, Option } from '@commander-js/extra-typings';
import type { CommonOptions } from '../../run/run-options.js';
import type { Answer } from '../../state/stored-json.js';
import { createCommand, work, type CommonValues } from '../command.js';
import type { Invocation, Library } from '../invocation.js';
import { connectionOptions, idArgument, outputOptions } from '../options.js';
import { settingOf } from '../values.js';

type Ask = (library: Library, options: CommonOptions) => Promise<Answer>;

export function pauseCommand(invocation: Invocation) {
  return steering(
    invocation,
    'pause',
    'let copy, verification and swap of a run wait; the log goes on being applied',
  ).action((id, values) =>
    told(invocation, values, 'pause', id, (library, options) =>
      library.pause(options, id, { by: 'pg-ghost pause' }),
    ),
  );
}

export function unpauseCommand(invocation: Invocation) {
  return steering(invocation, 'unpause', 'let a paused run go on').action((id, values) =>
    told(invocation, values, 'unpause', id, (library, options) => library.unpause(options, id)),
  );
}

export function setCommand(invocation: Invocation) {
  return steering(
    invocation,
    'set',
    'change workers, chunk time or limits of a run: workers=4 max-lag=5000 max-active=off',
  )
    .addArgument(new Argument('<KEY=VALUE...>', 'an option of run without its dashes, and its value'))
    .action((id, texts, values) => {
      const settings = Object.fromEntries(texts.map(settingOf).map(({ key, value }) => [key, value]));
      return told(invocation, values, 'set', id, (library, options) => library.set(options, id, settings));
    });
}

export function cutoverCommand(invocation: Invocation) {
  return steering(invocation, 'cutover', 'swap the tables of a run that has postponed it')
    .addOption(
      new Option('--rehearse', 'do the whole swap and take it back; tells how long the lock would be held'),
    )
    .action((id, values) => {
      const rehearse = values.rehearse === true;
      return told(invocation, values, 'cutover', id, (library, options) =>
        library.cutover(options, id, { rehearse }),
      );
    });
}

function steering(invocation: Invocation, name: string, description: string) {
  return createCommand(name, invocation)
    .description(description)
    .addArgument(idArgument)
    .addOption(connectionOptions.dsn)
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor);
}

async function told(
  invocation: Invocation,
  values: CommonValues,
  name: string,
  id: number,
  ask: Ask,
): Promise<void> {
  await work(invocation, values, async ({ library, common }) => {
    const { stdout, outcome } = invocation;
    outcome.migrationId = id;
    const { said, details } = await ask(library, common);
    stdout.line(
      outcome.json
        ? JSON.stringify({ event: `${name}:done`, id, said, ...details, at: new Date() })
        : `migration ${id}: ${inWords(said)}`,
    );
  });
}
