/** `pg-ghost finalize ID`: drops the table that is not in use. */
import { Option } from '@commander-js/extra-typings';
import type { FinalizeResult } from '../../api/finalize.js';
import { isRolledBack } from '../../model/phase.js';
import { bytes } from '../../report/format.js';
import { finalizeAfter } from '../../settings/finalize-after.js';
import type { Invocation } from '../invocation.js';
import { parserOf } from '../values.js';
import { removalCommand } from './removal.js';

const after = new Option(
  '--after <DURATION>',
  'refuse while the last swap is not so long ago: 12h, 7d',
).argParser(parserOf(finalizeAfter));

export function finalizeCommand(invocation: Invocation) {
  return removalCommand<FinalizeResult>(invocation, {
    name: 'finalize',
    description: 'drop the table that is kept of a migration that has swapped; cannot be undone',
    options: [after],
    act: (library, options, id, values) => {
      const { after: afterMs } = values;
      return library.finalize({ ...options, ...(typeof afterMs === 'number' ? { afterMs } : {}) }, id);
    },
    removed: (_, { dropped }) => dropped.map(({ table }) => table),
    facts: ({ dropped }) => ({ bytes: sizeOf(dropped) }),
    sentence: ({ table, renamedTo, phase }, _, { dropped }) =>
      `finalized; ${dropped.length === 0 ? 'nothing was left to drop' : `dropped: ${dropped.map((each) => `${each.table} (${bytes(each.bytes)})`).join(', ')}`}; ${renamedTo ?? table} keeps ${isRolledBack(phase) ? 'the shape from before the change' : 'its new shape'}`,
  });
}

function sizeOf(dropped: FinalizeResult['dropped']): number {
  return dropped.reduce((sum, each) => sum + each.bytes, 0);
}
