import { withNames } from '../../sql/few-names.js';

/** A sentence with all of the names in it, and one with few where that is another. */
export interface Told {
  readonly full: string;
  readonly brief?: string;
}

export function told(names: readonly string[], say: (listed: string) => string): Told {
  return withNames(names, say);
}
