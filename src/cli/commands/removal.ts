/** The form of `abort` and `finalize`: look at the migration, take something away, say what it was. */
import type { CommonOptions, MigrationStatus } from '../../migration/types.js';
import type { EventListener } from '../../report/events.js';
import { createCommand, work } from '../command.js';
import type { Invocation, Library } from '../invocation.js';
import { lockNotice } from '../lock-notice.js';
import { connectionOptions, idArgument, outputOptions } from '../options.js';

export interface Removal {
  readonly name: 'abort' | 'finalize';
  readonly description: string;
  readonly act: (library: Library, options: CommonOptions, id: number) => Promise<void>;
  /** What goes, by the state before. */
  readonly removed: (before: MigrationStatus) => string[];
  readonly sentence: (before: MigrationStatus, things: readonly string[]) => string;
}

export function removalCommand(invocation: Invocation, removal: Removal) {
  return createCommand(removal.name, invocation)
    .description(removal.description)
    .addArgument(idArgument)
    .addOption(connectionOptions.dsn)
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action((id, values) =>
      work(
        invocation,
        values,
        async ({ library, common, log }) => {
          const { stdout, stderr, outcome } = invocation;
          outcome.migrationId = id;
          const [before] = await library.status(common, id);
          const notice = lockNotice((line) => stderr.line(line), stderr.look(values.color));
          const onEvent: EventListener = (event) => {
            log(event);
            if (!outcome.json) notice(event);
          };
          await removal.act(library, { ...common, onEvent }, id);
          if (before === undefined) throw new Error(`migration ${id} had no status`);
          const removed = removal.removed(before);
          stdout.line(
            outcome.json
              ? JSON.stringify({
                  event: `${removal.name}:done`,
                  id,
                  table: before.table,
                  removed,
                  at: new Date(),
                })
              : `migration ${id} ${removal.sentence(before, removed)}`,
          );
        },
        {
          aftermath: () => ({
            state: 'what was removed is removed',
            hint: `pg-ghost ${removal.name} ${id} again`,
          }),
        },
      ),
    );
}
