/** sync: brings what was collected to the table that is kept, once or for as long as it is wanted; no phase of a migration. */
import { sleep } from '../../db/wait.js';
import type { RunContext } from '../context.js';
import { LogApplier } from '../log-applier.js';
import { throttled } from '../run-crew.js';

/** Little is left to do at any moment, and nothing is done twice in it. */
const pauseMs = 1_000;

/** @returns the number of keys that were brought */
export async function sync(context: RunContext, { follow }: { readonly follow: boolean }): Promise<number> {
  const { tables, emit, signal, steering } = context;
  const { permission } = throttled(context);
  emit('phase:started', { phase: 'catch-up' });
  const started = performance.now();
  const appliers: LogApplier[] = [];
  let keys = 0;
  try {
    for (const table of tables) appliers.push(await LogApplier.open(table));
    for (;;) {
      signal.throwIfAborted();
      steering.throttle?.check();
      await permission(signal);
      for (const applier of appliers) keys += await applier.catchUp();
      if (!follow) break;
      await sleep(pauseMs, signal);
    }
  } finally {
    await Promise.all(appliers.map((applier) => applier[Symbol.asyncDispose]()));
  }
  emit('phase:done', { phase: 'catch-up', seconds: (performance.now() - started) / 1000 });
  return keys;
}
