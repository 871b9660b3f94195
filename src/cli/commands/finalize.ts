/** `pg-ghost finalize ID`: drops the old table. */
import type { MigrationStatus } from '../../api/status.js';
import type { Invocation } from '../invocation.js';
import { removalCommand } from './removal.js';

export function finalizeCommand(invocation: Invocation) {
  return removalCommand(invocation, {
    name: 'finalize',
    description: 'drop the old table of a migration that has swapped; cannot be undone',
    act: (library, options, id) => library.finalize(options, id),
    removed: finalizeRemoves,
    sentence: ({ table, renamedTo }, things) =>
      `finalized; ${things.length === 0 ? 'nothing was left to drop' : `dropped: ${things.join(', ')}`}; ${renamedTo ?? table} keeps its new shape`,
  });
}

function finalizeRemoves({ old }: MigrationStatus): string[] {
  return old === null ? [] : [old];
}
