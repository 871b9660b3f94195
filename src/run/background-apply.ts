/** Apply beside other work, so that the backlog stays small however long that takes; and the way to wait for it. */
import { sleep } from '../db/wait.js';
import type { LogApplier } from './log-applier.js';
import type { TableContext } from './context.js';

const pauseMs = 250;

export interface Applying {
  /** Resolves when everything that was committed before now has been applied. */
  readonly caughtUp: () => Promise<void>;
  /** Aborts when the work is to stop: the caller's wish, or apply has failed. */
  readonly signal: AbortSignal;
}

/**
 * Runs `work` while the log is being applied.
 * @throws what `work` or apply throws
 */
export async function whileApplying<T>(
  { capture, signal }: Pick<TableContext, 'capture' | 'signal'>,
  applier: Pick<LogApplier, 'catchUp'>,
  work: (applying: Applying) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  const ended = new AbortController();
  const waiting: (() => void)[] = [];
  let wake = new AbortController();
  const applying = (async () => {
    try {
      while (!ended.signal.aborted) {
        const served = waiting.splice(0);
        await applier.catchUp();
        for (const serve of served) serve();
        if (waiting.length > 0) continue;
        wake = new AbortController();
        await sleep(pauseMs, AbortSignal.any([wake.signal, ended.signal])).catch(() => undefined);
      }
    } catch (error) {
      failed.abort(error);
    } finally {
      for (const serve of waiting.splice(0)) serve();
    }
  })();
  const combined = AbortSignal.any([signal, failed.signal]);
  const result = await settled(
    work({
      signal: combined,
      async caughtUp() {
        combined.throwIfAborted();
        await capture.upTo('verify', combined);
        await new Promise<void>((resolve) => {
          // Asked for as often as rows differ: nothing of it stays behind.
          const served = (): void => {
            combined.removeEventListener('abort', served);
            resolve();
          };
          waiting.push(served);
          wake.abort();
          combined.addEventListener('abort', served, { once: true });
        });
        combined.throwIfAborted();
      },
    }),
  );
  ended.abort();
  await applying;
  // What `work` threw after that is a consequence.
  if (!signal.aborted) failed.signal.throwIfAborted();
  if ('error' in result) throw result.error;
  return result.value;
}

async function settled<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly error: Error }> {
  try {
    return { value: await work };
  } catch (error) {
    return { error: error as Error };
  }
}
