/** The form of `abort` and `finalize`: look at the migration, take something away, say what it was. */
import type { Option } from '@commander-js/extra-typings';
import { RefusedError } from '../../errors.js';
import type { CommonOptions } from '../../run/run-options.js';
import type { MigrationStatus } from '../../api/status.js';
import type { EventListener } from '../../model/event.js';
import { isOver } from '../../model/phase.js';
import { createCommand, work } from '../command.js';
import type { Invocation, Library } from '../invocation.js';
import { lockNotice } from '../lock-notice.js';
import { connectionOptions, idArgument, outputOptions } from '../options.js';

export interface Removal<Result> {
  readonly name: 'abort' | 'finalize';
  readonly description: string;
  /** Beside those that both have. */
  readonly options?: readonly Option[];
  readonly act: (
    library: Library,
    options: CommonOptions,
    id: number,
    values: Readonly<Record<string, unknown>>,
  ) => Promise<Result>;
  /** What has gone. */
  readonly removed: (before: MigrationStatus, result: Result) => string[];
  /** For programs, beside what both say. */
  readonly facts?: (result: Result) => Readonly<Record<string, unknown>>;
  readonly sentence: (before: MigrationStatus, things: readonly string[], result: Result) => string;
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

export function removalCommand<Result>(invocation: Invocation, removal: Removal<Result>) {
  const command = createCommand(removal.name, invocation)
    .description(removal.description)
    .addArgument(idArgument)
    .addOption(connectionOptions.dsn);
  removal.options?.forEach((option) => command.addOption(option));
  return command
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
          const result = await removal.act(library, { ...common, onEvent }, id, values);
          // Of one that was over already only leftovers went.
          const known = before === null || isOver(before.phase) ? null : before;
          const removed = known === null ? ['all that carried its mark'] : removal.removed(known, result);
          stdout.line(
            outcome.json
              ? JSON.stringify({
                  event: `${removal.name}:done`,
                  id,
                  table: before?.table ?? null,
                  removed,
                  ...removal.facts?.(result),
                  at: new Date(),
                })
              : `migration ${id} ${known === null ? `is gone; removed: ${removed.join(', ')}` : removal.sentence(known, removed, result)}`,
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
