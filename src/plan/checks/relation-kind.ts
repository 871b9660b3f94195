import type { FoundTable } from '../../catalog/table.js';
import type { Refusal } from '../../errors.js';
import { displayName } from '../../sql/quote.js';

/** Only an ordinary, permanent table of the user's own can be swapped. */
export function checkRelationKind(table: FoundTable): Refusal[] {
  const name = displayName(table);
  if (table.isSystem) return [{ code: 'system-table', message: `${name} is a system catalog` }];
  if (table.persistence === 'temporary') {
    return [
      {
        code: 'temporary-table',
        message: `${name} is a temporary table`,
        hint: 'nobody else can see it: a plain ALTER TABLE disturbs nobody',
      },
    ];
  }
  if (table.isPartition) {
    return [
      {
        code: 'partition',
        message: `${name} is a partition`,
        hint: 'its shape is that of its parent; migrating partitioned tables is not supported in this release',
      },
    ];
  }
  if (table.kind === 'partitioned table') {
    return [
      {
        code: 'partitioned-table',
        message: `${name} is partitioned`,
        hint: 'migrating partitioned tables is not supported in this release',
      },
    ];
  }
  if (table.kind !== 'table') {
    const article = /^[aeiou]/.test(table.kind) ? 'an' : 'a';
    return [{ code: 'not-a-table', message: `${name} is ${article} ${table.kind}, not a table` }];
  }
  return [];
}
