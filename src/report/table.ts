/** Text in place: paragraphs that wrap, columns side by side, and a table whose cells wrap. */
import CliTable from 'cli-table3';
import type { Look } from './paint.js';

const gap = '  ';

/** Left-aligned columns, indented; the last one is never padded. */
export function grid(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  }
  return rows.map((row) => {
    // A column that is empty in every row takes no space.
    const cells = row.flatMap((cell, index) =>
      widths[index] === 0 ? [] : [cell.padEnd(widths[index] ?? 0)],
    );
    return `${gap}${cells.join(gap)}`.trimEnd();
  });
}

/**
 * A paragraph whose first line begins with `lead`; the following ones stand below its text. Words are never broken, so
 * that statements and names can be copied.
 */
export function paragraph(lead: string, text: string, width: number): string[] {
  const margin = ' '.repeat(lead.length);
  const room = Math.max(20, width - lead.length);
  const lines = text.split('\n').flatMap((line) => wrapped(line, room));
  return lines.map((line, index) => (index === 0 ? lead : margin) + line);
}

function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** No borders, so that what is copied from the terminal is text. The columns after the first share the width. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], look: Look): string[] {
  const first = Math.max(...[head, ...rows].map(([cell = '']) => cell.length)) + gap.length;
  const rest = Math.max(20, Math.floor((look.width - first - gap.length) / Math.max(1, head.length - 1)));
  const drawn = new CliTable({
    chars: noBorders,
    // The first column's left padding is the indent of the whole table.
    style: { 'padding-left': gap.length, 'padding-right': 0, head: [], border: [] },
    colWidths: head.map((_, index) => (index === 0 ? first : rest)),
    wordWrap: true,
  });
  drawn.push(
    head.map((cell) => look.paint('dim', cell)),
    ...rows.map((row) => [...row]),
  );
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

const noBorders = Object.fromEntries(
  [
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].flatMap((names) => names.map((name) => [name, ''])),
);
