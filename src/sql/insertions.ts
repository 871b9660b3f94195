/** Changes to a text at places that the parser has told. Pure. */
import { byteSplice } from './tokens.js';

/** In byte offsets; `start` = `end` where nothing is taken away. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** All at once: from the end, so that the places of the others stay true. */
export function replaced(text: string, replacements: readonly Replacement[]): string {
  return replacements
    .toSorted((a, b) => b.start - a.start)
    .reduce((result, { start, end, text: part }) => byteSplice(result, start, end, part), text);
}
