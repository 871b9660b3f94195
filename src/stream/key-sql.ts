/** Keys of one table as keys of the table that follows it, in SQL. */
import type { Key } from '../model/key.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import { fragment, joined, toText, type SqlFragment, type SqlPart } from '../sql/fragment.js';
import { projectionFragment } from '../sql/projection-sql.js';
import { ident } from '../sql/quote.js';

/** Maps keys of `from` to keys of `to`, in the types of `to`: the projection may leave the last cast to INSERT. */
export function keysFragment(key: Key, keys: SqlPart): SqlFragment {
  const mapped = projectionFragment(key.projection, { from: joined(['(\n', keys, '\n)'], '') });
  if (key.columns.every((column) => column.type === column.targetType)) return mapped;
  const columns = key.columns.map(
    ({ targetName, targetType }) =>
      `${ident(targetName)}::${typeOnAnyPath(targetType)} as ${ident(targetName)}`,
  );
  return fragment`
    select ${columns.join(', ')}
    from (
    ${mapped}
    ) as mapped`;
}

/** The same, of keys without parameters. */
export function keysOf(key: Key, keys: string): string {
  return toText(keysFragment(key, keys));
}
