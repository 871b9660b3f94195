/** What may be confirmed. */
import { expect, test } from 'vitest';
import { DurablePosition } from '../../src/capture/logical/durable.js';

test('where nothing was written, all that was read', () => {
  const position = new DurablePosition();
  position.stored(100n, false);
  expect(position.confirmed).toBe(100n);
  position.stored(90n, false);
  expect([position.confirmed, position.isBehind]).toEqual([100n, false]);
});

test('what was written, when the WAL is on disk up to where it ended afterwards', () => {
  const position = new DurablePosition();
  position.stored(100n, false);
  position.stored(200n, true);
  const asked = position.ask();
  // While the server is being asked.
  position.stored(300n, true);
  position.answered(asked, { inserted: 1000n, flushed: 990n });
  expect(position.confirmed).toBe(100n);
  position.answered(position.ask(), { inserted: 2000n, flushed: 999n });
  expect(position.confirmed).toBe(100n);
  position.answered(position.ask(), { inserted: 3000n, flushed: 1000n });
  // Of the second one it is not known.
  expect([position.confirmed, position.isBehind]).toEqual([200n, true]);
  position.stored(400n, false);
  expect(position.confirmed).toBe(200n);
  position.answered(position.ask(), { inserted: 3000n, flushed: 2999n });
  expect(position.confirmed).toBe(200n);
  position.answered(position.ask(), { inserted: 3000n, flushed: 3000n });
  expect([position.confirmed, position.isBehind]).toEqual([400n, false]);
});
