/** How many columns of a terminal a text takes: wide letters take two, what only modifies a letter none. */
import { eastAsianWidth } from 'get-east-asian-width';

const ascii = /^[\x20-\x7e]*$/;
const letters = new Intl.Segmenter();

export function textWidth(text: string): number {
  if (ascii.test(text)) return text.length;
  let width = 0;
  for (const { segment } of letters.segment(text)) width += eastAsianWidth(segment.codePointAt(0) ?? 0);
  return width;
}

/** Filled up with spaces to this many columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}
