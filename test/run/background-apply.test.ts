import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { whileApplying } from '../../src/run/background-apply.js';
import type { TableContext } from '../../src/run/context.js';

type UpTo = TableContext['capture']['upTo'];

/** What `whileApplying` needs of a run. */
function context(upTo: UpTo): Pick<TableContext, 'capture' | 'signal'> {
  const { signal } = new AbortController();
  return { signal, capture: { upTo } as TableContext['capture'] };
}

test('who waits for what was committed waits for capture first, and then for a whole pass', async () => {
  const happened: string[] = [];
  let passes = 0;
  let isInLog = (): void => {};
  const inLog = new Promise<void>((resolve) => {
    isInLog = resolve;
  });
  const applier = {
    catchUp: async () => {
      passes += 1;
      happened.push(`pass ${passes}`);
      await Promise.resolve();
      return 0;
    },
  };
  const upTo: UpTo = async (moment) => {
    happened.push(`asked for ${moment}`);
    await inLog;
    happened.push('in the log');
  };
  await whileApplying(context(upTo), applier, async ({ caughtUp }) => {
    const caught = caughtUp().then(() => happened.push('caught up'));
    await new Promise((resolve) => setImmediate(resolve));
    // Apply has gone by, for what was in the log before.
    expect(happened).toEqual(['pass 1', 'asked for verify']);
    isInLog();
    await caught;
  });
  expect(happened.slice(2)).toEqual(['in the log', 'pass 2', 'caught up']);
});

test('a capture that fails ends the wait', async () => {
  const broken = new Error('the stream is gone');
  const work = whileApplying(
    context(() => Promise.reject(broken)),
    { catchUp: () => Promise.resolve(0) },
    async ({ caughtUp }) => {
      await caughtUp();
    },
  );
  await expect(work).rejects.toBe(broken);
});

test('nothing stays behind of who has waited', async () => {
  await whileApplying(
    context(() => Promise.resolve()),
    { catchUp: () => Promise.resolve(0) },
    async (applying) => {
      for (let asked = 0; asked < 12; asked += 1) await applying.caughtUp();
      expect(getEventListeners(applying.signal, 'abort')).toHaveLength(0);
    },
  );
});
