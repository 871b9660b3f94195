import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createScreen } from '../../src/report/screen.js';

/** As much of a terminal as a display needs. */
class Terminal extends PassThrough {
  readonly columns = 80;
  readonly rows = 24;
  readonly #lines: string[] = [''];
  #row = 0;
  #column = 0;

  override write(text: string): boolean {
    for (const [token, parameter, command] of text.matchAll(/\u001B\[\??([\d;]*)([A-Za-z])|[^]/g)) {
      if (command === undefined) this.#print(token);
      else this.#obey(command, parameter === '' ? 1 : Number(parameter));
    }
    return true;
  }

  get picture(): string[] {
    return this.#lines.map((line) => line.trimEnd());
  }

  #print(character: string): void {
    if (character === '\n') {
      this.#row += 1;
      this.#column = 0;
      this.#lines[this.#row] ??= '';
      return;
    }
    const line = this.#lines[this.#row] ?? '';
    this.#lines[this.#row] =
      line.slice(0, this.#column).padEnd(this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #obey(command: string, count: number): void {
    if (command === 'A') this.#row = Math.max(0, this.#row - count);
    else if (command === 'B') this.#row += count;
    else if (command === 'G') this.#column = count - 1;
    else if (command === 'K' && count === 2) this.#lines[this.#row] = '';
    else if (command === 'K') this.#lines[this.#row] = (this.#lines[this.#row] ?? '').slice(0, this.#column);
    else if (command === 'J') this.#lines.length = this.#row + 1;
    else if (command !== 'h' && command !== 'l') throw new Error(`unknown: ${command}`);
  }
}

test('a picture that grows and shrinks in its middle leaves nothing behind', () => {
  const terminal = new Terminal();
  const screen = createScreen(terminal as unknown as NodeJS.WriteStream);
  const pictures = [
    ['migration 1', 'prepare', 'copy', 'cutover'],
    ['migration 1', 'prepare', 'held by a', 'held by b', 'held by c', 'copy', 'cutover'],
    ['migration 1', 'prepare', 'held by a', 'held by b', 'copy', 'cutover'],
    ['migration 1', 'prepare', 'held by b', 'copy', 'cutover'],
    ['migration 1', 'copy 50 %', 'cutover'],
    ['migration 1', 'copy 51 %', 'chunks', 'cutover'],
    ['migration 2'],
  ];
  for (const picture of pictures) {
    screen.draw(picture);
    expect(terminal.picture.join('\n').trimEnd().split('\n')).toEqual(picture);
  }
  screen.clear();
  expect(terminal.picture.join('').trim()).toBe('');
});
