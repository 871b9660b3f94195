/** `pg-ghost finalize ID`: drops the old table. */
import type { MigrationStatus } from '../../migration/types.js';
import type { Invocation } from '../invocation.js';
import { removalCommand } from './removal.js';

export function finalizeCommand(invocation: Invocation) {
  return removalCommand(invocation, {
    name: 'finalize',
    description: 'drop the old table of a migration that has swapped; cannot be undone',
    act: (library, options, id) => library.finalize(options, id),
    removed: finalizeRemoves,
    sentence: ({ table }, things) => `finalized; dropped: ${things.join(', ')}; ${table} keeps its new shape`,
  });
}

export function finalizeRemoves({ old }: MigrationStatus): string[] {
  return old === null ? [] : [old];
}
