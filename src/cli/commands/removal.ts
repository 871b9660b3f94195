/** The form of `abort` and `finalize`: look at the migration, take something away, say what it was. */
import { RefusedError } from '../../errors.js';
import type { CommonOptions } from '../../run/run-options.js';
import type { MigrationStatus } from '../../api/status.js';
import type { EventListener } from '../../model/event.js';
import { isOver } from '../../model/phase.js';
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

/** null for one that the state does not know: what it has left goes by its marks, and if there is nothing that is said. */
async function statusBefore(
  library: Library,
  common: CommonOptions,
  id: number,
): Promise<MigrationStatus | null> {
  try {
    return (await library.status(common, id))[0] ?? null;
  } catch (error) {
    if (error instanceof RefusedError && error.reasons.some(({ code }) => code === 'no-such-migration'))
      return null;
    throw error;
  }
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
          const before = await statusBefore(library, common, id);
          const notice = lockNotice((line) => stderr.line(line), stderr.look(values.color));
          const onEvent: EventListener = (event) => {
            log(event);
            if (!outcome.json) notice(event);
          };
          await removal.act(library, { ...common, onEvent }, id);
          // Of one that was over already only leftovers went.
          const known = before === null || isOver(before.phase) ? null : before;
          const removed = known === null ? ['all that carried its mark'] : removal.removed(known);
          stdout.line(
            outcome.json
              ? JSON.stringify({
                  event: `${removal.name}:done`,
                  id,
                  table: before?.table ?? null,
                  removed,
                  at: new Date(),
                })
              : `migration ${id} ${known === null ? `is gone; removed: ${removed.join(', ')}` : removal.sentence(known, removed)}`,
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
