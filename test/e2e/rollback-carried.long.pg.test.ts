/** Each object that can hang on a table alone: it is as it was after the table has gone there and back twice. */
import { inject, test } from 'vitest';
import { cases } from './carried.js';
import { expectThereAndBack } from './there-and-back.js';

const major = inject('serverMajor');

for (const each of cases) {
  if (each.minMajor !== undefined && major < each.minMajor) continue;
  test(each.name, async () => expectThereAndBack(each));
}
