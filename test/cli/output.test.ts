import { expect, test } from 'vitest';
import { Output } from '../../src/cli/output.js';

const stream = { write: () => undefined, on: () => undefined };

test.each([
  [{ isTTY: true, columns: 80, rows: 24 }, {}, true],
  [{ isTTY: true }, {}, true],
  // As in a container whose terminal nobody has given a size.
  [{ isTTY: true, columns: 0, rows: 0 }, {}, false],
  [{ isTTY: true, columns: 80, rows: 24 }, { TERM: 'dumb' }, false],
  [{ columns: 80, rows: 24 }, {}, false],
])('a display needs a terminal with room for it: %j, %j', (facts, env, expected) => {
  const output = new Output({ ...stream, ...facts }, env);
  expect(output.isTTY).toBe(expected);
  expect(output.coloured(true)).toBe(expected);
});
