/** `pg-ghost abort ID`: takes everything of a migration away; the table is as it was. */
import type { MigrationStatus } from '../../api/status.js';
import type { Invocation } from '../invocation.js';
import { removalCommand } from './removal.js';

export function abortCommand(invocation: Invocation) {
  return removalCommand(invocation, {
    name: 'abort',
    description: 'undo a migration that has not swapped its tables: its shadow, capture and log are removed',
    act: (library, options, id) => library.abort(options, id),
    removed: abortRemoves,
    sentence: ({ table, renamedTo }, things) =>
      `aborted; removed: ${things.join(', ')}; ${renamedTo ?? table} is as it was`,
  });
}

function abortRemoves({ shadow, capture }: MigrationStatus): string[] {
  return [...(shadow === null ? [] : [shadow]), ...parts[capture], 'its change log'];
}

const parts: Readonly<Record<MigrationStatus['capture'], readonly string[]>> = {
  triggers: ['its capture triggers'],
  logical: ['its publication', 'its replication slot'],
};
