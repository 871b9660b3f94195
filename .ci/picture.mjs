/**
 * Draws docs/run.svg, the picture of the README: `npm run picture`. It runs `pg-ghost demo` in a pseudo-terminal (by the
 * `script` of util-linux, so on Linux), follows what is written as a terminal would, and draws two moments of it: the
 * display in the middle of the copy, and the end. Arguments go to `demo`; `PICTURE_RECORDING=FILE` keeps what was written,
 * or draws it again where the file is there already.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './prepare.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const terminal = { columns: 100, rows: 50 };
const target = join(root, 'docs', 'run.svg');

const recording = await recorded(process.env['PICTURE_RECORDING']);
const moments = play(recording);
const middle = middleOfCopy(moments);
const end = moments.at(-1);
const svg = draw([
  { title: 'npm run demo: while the rows are copied', lines: part(middle.lines, '$ pg-ghost run') },
  { title: 'npm run demo: at the end', lines: part(end.lines, 'migration ', '$ pg-ghost rollback') },
]);
writeFileSync(target, svg);
console.log(`${target}: ${svg.length} bytes`);

/** What the demo wrote. */
async function recorded(file) {
  if (file !== undefined && existsSync(file)) return readFileSync(file, 'utf8');
  const text = await record();
  if (file !== undefined) writeFileSync(file, text);
  return text;
}

function record() {
  const size = `stty rows ${terminal.rows} cols ${terminal.columns}`;
  const demo = [process.execPath, join(root, 'bin', 'pg-ghost.js'), 'demo', ...process.argv.slice(2)];
  const command = `${size} && exec ${demo.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')}`;
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', NO_COLOR: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let written = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      written += text;
      process.stdout.write(text);
    });
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0 ? resolve(written) : reject(new Error(`the demo ended with ${status}`)),
    );
  });
}

/**
 * The whole text of the terminal whenever a drawing is complete (log-update ends each with a sequence of its own), and at the
 * end. A line is a list of cells, `{ character, style }`.
 */
function play(written) {
  const screen = { lines: [[]], row: 0, column: 0, style: '' };
  return written.split('\u001B[?2026l').map((drawing) => {
    for (const [part] of drawing.matchAll(/\u001B\[[0-9;?]*[A-Za-z]|[^]/gu)) write(screen, part);
    return { lines: screen.lines.map((line) => [...line]) };
  });
}

function write(screen, part) {
  if (part === '\n') screen.row += 1;
  else if (part === '\r') screen.column = 0;
  else if (part.length > 1 && part.startsWith('\u001B')) control(screen, part);
  else {
    while (screen.lines.length <= screen.row) screen.lines.push([]);
    const line = screen.lines[screen.row];
    while (line.length < screen.column) line.push({ character: ' ', style: '' });
    line[screen.column] = { character: part, style: screen.style };
    screen.column += 1;
  }
}

/** The few sequences that log-update and picocolors write; any other is an error rather than a wrong picture. */
function control(screen, sequence) {
  const number = Number.parseInt(sequence.slice(2), 10);
  switch (sequence.at(-1)) {
    case 'A':
      screen.row = Math.max(0, screen.row - (number || 1));
      break;
    case 'B':
      screen.row += number || 1;
      break;
    case 'G':
      screen.column = (number || 1) - 1;
      break;
    case 'K':
      screen.lines[screen.row]?.splice(number === 2 ? 0 : screen.column);
      break;
    case 'J':
      screen.lines.length = Math.min(screen.lines.length, screen.row + 1);
      screen.lines[screen.row]?.splice(screen.column);
      break;
    case 'm':
      for (const code of sequence.slice(2, -1).split(';')) screen.style = styled(screen.style, Number(code));
      break;
    case 'h':
    case 'l':
      break;
    default:
      throw new Error(`the demo wrote ${JSON.stringify(sequence)}, which this script does not know`);
  }
}

function styled(style, code) {
  const names = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan' };
  const colours = ['red', 'green', 'yellow', 'cyan'];
  const words = style.split(' ').filter((word) => word !== '');
  if (code === 0) return '';
  if (code === 22) return words.filter((word) => word !== 'bold' && word !== 'dim').join(' ');
  if (code === 39) return words.filter((word) => !colours.includes(word)).join(' ');
  return [...words, names[code] ?? `unknown-${code}`].join(' ');
}

function textOf(line) {
  return line.map(({ character }) => character).join('');
}

/** Of the moments in which rows are copied and a rate is known, the one in the middle. */
function middleOfCopy(all) {
  const copying = all.filter(({ lines }) => {
    const texts = lines.map(textOf);
    return texts.some((text) => text.startsWith('● copy')) && texts.some((text) => text.includes(' rows/s'));
  });
  const found = copying[Math.floor(copying.length / 2)];
  if (found === undefined)
    throw new Error('the copy was over before a rate was known: give --rows a larger number');
  return found;
}

/** From the line that begins with `from` to the one that begins with `to`, without empty lines at the end. */
function part(lines, from, to) {
  const texts = lines.map(textOf);
  const first = texts.findIndex((text) => text.startsWith(from));
  const last = to === undefined ? -1 : texts.findIndex((text) => text.startsWith(to));
  const found = lines.slice(first, last === -1 ? undefined : last);
  while (found.length > 0 && textOf(found.at(-1)).trim() === '') found.pop();
  return found;
}

function draw(panels) {
  const cell = { width: 7.8, height: 18 };
  const padding = 16;
  const titleHeight = 38;
  const gap = 14;
  const columns = Math.max(
    ...panels.flatMap(({ lines }) => lines.map((line) => textOf(line).trimEnd().length)),
  );
  const width = Math.ceil(columns * cell.width) + 2 * padding;
  let top = 0;
  const bodies = panels.map(({ title, lines }) => {
    const height = titleHeight + lines.length * cell.height + padding;
    const body = [
      `<rect class="panel" x="0.5" y="${top + 0.5}" width="${width - 1}" height="${height - 1}" rx="8"/>`,
      `<text class="title" x="${padding}" y="${top + 19}">${escaped(title)}</text>`,
      `<path class="rule" d="M0.5 ${top + 28.5}H${width - 0.5}"/>`,
      ...lines.flatMap((line, index) =>
        lineShapes(line, { x: padding, y: top + titleHeight + index * cell.height }, cell),
      ),
    ];
    top += height + gap;
    return body.join('\n');
  });
  const height = top - gap;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="A run of pg-ghost in a terminal: while the rows are copied, and at the end">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre;fill:#d6dce5}
.panel{fill:#161b22;stroke:#3d444d}.rule{stroke:#3d444d}.title{font-size:12px;fill:#9198a1}.bold{font-weight:700;fill:#f0f6fc}
.dim{fill:#9198a1}.red{fill:#ff7b72}.green{fill:#56d364}.yellow{fill:#e3b341}.cyan{fill:#56d4dd}.rest{opacity:.3}
@media (prefers-color-scheme:light){text{fill:#1f2328}.panel{fill:#f6f8fa;stroke:#d1d9e0}.rule{stroke:#d1d9e0}.title,.dim{fill:#59636e}
.bold{fill:#1f2328}.red{fill:#cf222e}.green{fill:#1a7f37}.yellow{fill:#7d4e00}.cyan{fill:#1b7c83}}
</style>
${bodies.join('\n')}
</svg>
`;
}

/** Bars are drawn as rectangles, since fonts leave gaps between these characters; all else is text, each word where it stood. */
function lineShapes(line, { x, y }, cell) {
  const shapes = [];
  for (const { start, cells } of runs(line)) {
    const text = cells.map(({ character }) => character).join('');
    const left = round(x + start * cell.width);
    const length = round(text.length * cell.width);
    const style = cells[0].style;
    if (/^[█░]+$/u.test(text)) {
      const rest = text.startsWith('░') ? ' rest' : '';
      shapes.push(
        `<rect class="${style}${rest}" x="${left}" y="${y + 4}" width="${length}" height="${cell.height - 8}"/>`,
      );
    } else {
      const name = style === '' ? '' : ` class="${style}"`;
      const fit = text.length > 1 ? ` textLength="${length}"` : '';
      shapes.push(`<text${name} x="${left}" y="${y + 13}"${fit}>${escaped(text)}</text>`);
    }
  }
  return shapes;
}

/** Neighbours of one style; bars, marks and what two spaces divide by themselves, so that no font can shift a column. */
function runs(line) {
  const found = [];
  const kind = (cell) =>
    /[█░]/u.test(cell.character) ? cell.character : /[✔●○→]/u.test(cell.character) ? 'mark' : 'text';
  line.forEach((cell, index) => {
    const last = found.at(-1);
    const previous = last?.cells.at(-1);
    const joins =
      previous !== undefined &&
      last.start + last.cells.length === index &&
      previous.style === cell.style &&
      kind(previous) === kind(cell) &&
      kind(cell) !== 'mark';
    if (joins) last.cells.push(cell);
    else found.push({ start: index, cells: [cell] });
  });
  return found.flatMap(words);
}

/** A run without the spaces around it, cut where two spaces follow each other. */
function words({ start, cells }) {
  const text = cells.map(({ character }) => character).join('');
  return [...text.matchAll(/\S+(?: \S+)*/gu)].map(({ 0: part, index }) => ({
    start: start + index,
    cells: cells.slice(index, index + part.length),
  }));
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
