/** Text in place: paragraphs that wrap, and columns side by side. Each is made in one pass over its text. */
import { padded, textWidth } from './text-width.js';

const gap = '  ';

/** A longer cell takes the room that it needs, and does not push the same column of all other rows away. */
const widestCell = 40;

/**
 * Left-aligned columns, indented; the last one is never padded.
 *
 * @param width where a row is wider, it goes on in the next line
 */
export function grid(rows: readonly (readonly string[])[], width = Infinity): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      const own = textWidth(cell);
      const aligned = width === Infinity || own <= widestCell ? own : 1;
      widths[index] = Math.max(widths[index] ?? 0, aligned);
    });
  }
  return rows.flatMap((row) => {
    // A column that is empty in every row takes no space.
    const cells = row.flatMap((cell, index) =>
      widths[index] === 0 ? [] : [padded(cell, widths[index] ?? 0)],
    );
    const line = `${gap}${cells.join(gap)}`.trimEnd();
    return textWidth(line) <= width
      ? [line]
      : paragraph(gap, cells.join(gap).replaceAll(/ {2,}/g, gap).trimEnd(), width, gap);
  });
}

/**
 * A paragraph whose first line begins with `lead`; the following ones stand below its text. Words are never broken, so
 * that statements and names can be copied.
 *
 * @param hanging how much further in the following lines begin
 */
export function paragraph(lead: string, text: string, width: number, hanging = ''): string[] {
  const margin = ' '.repeat(textWidth(lead)) + hanging;
  const room = Math.max(20, width - textWidth(margin));
  const lines = text.split('\n').flatMap((line) => wrapped(line, room));
  return lines.map((line, index) => (index === 0 ? lead : margin) + line);
}

/** An identifier has 63 bytes at most; what is longer between quotes is a sentence. */
const longestName = 63 + '""'.length;

/** At spaces, but not at those within a quoted name. */
function words(text: string): string[] {
  return text.match(wordPattern) ?? [];
}

const wordPattern = new RegExp(`(?:"[^"]{1,${longestName}}"|[^ ])+|(?<= |^)(?= |$)`, 'gu');

function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  let taken = 0;
  for (const word of words(text)) {
    const width = textWidth(word);
    if (line !== '' && taken + 1 + width > room) {
      lines.push(line);
      line = word;
      taken = width;
    } else {
      taken = line === '' ? width : taken + 1 + width;
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
