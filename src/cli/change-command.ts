/** What `plan` and `run` take alike: who types the same line twice changes one word. */
import { createCommand } from './command.js';
import type { Invocation } from './invocation.js';
import { connectionOptions, runOptions, shapeOptions } from './options.js';
import { settingOptions } from './setting-options.js';

export function createChangeCommand(name: 'plan' | 'run', invocation: Invocation) {
  const command = createCommand(name, invocation)
    .addOption(connectionOptions.dsn)
    .addOption(shapeOptions.table)
    .addOption(shapeOptions.alter)
    .addOption(shapeOptions.file)
    .addOption(shapeOptions.set)
    .addOption(shapeOptions.reverse)
    .addOption(shapeOptions.rewrite)
    .addOption(shapeOptions.matviews)
    .addOption(shapeOptions.allowPublicationAll)
    .addOption(runOptions.resume);
  settingOptions().forEach((option) => command.addOption(option));
  return command.addOption(runOptions.hook).addOption(runOptions.metricsPort);
}
