/** What a failed CREATE INDEX CONCURRENTLY left behind is neither carried as it is nor dropped in silence. */
import type { TableShape } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import { displayName } from '../../sql/quote.js';

export function checkInvalidIndexes(source: TableShape): Refusal[] {
  return source.indexes
    .filter(({ valid }) => !valid)
    .map(({ name }) => {
      const index = displayName({ schema: source.name.schema, name });
      return {
        code: 'invalid-index',
        message: `index ${index} is not valid (a CREATE INDEX CONCURRENTLY that failed, or one that still runs)`,
        hint: `reindex index concurrently ${index}; or drop index concurrently ${index};`,
      };
    });
}
