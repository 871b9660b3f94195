/** For commands that say nothing while they work: which lock they wait for, and who holds it, once in a while. */
import type { EventListener } from '../model/event.js';
import type { Look } from '../report/paint.js';
import { initialProgress, reduceProgress } from '../model/progress.js';
import { lockTexts } from '../report/progress-text.js';

/** A lock that is free within a second is no news. */
const quietMs = 1000;
const everyMs = 5000;

export function lockNotice(write: (line: string) => void, look: Look, now = Date.now): EventListener {
  let state = initialProgress;
  let dueAt: number | null = null;
  return (event) => {
    state = reduceProgress(state, event);
    if (event.event !== 'lock:missed') return;
    dueAt ??= now() + quietMs;
    if (now() < dueAt) return;
    dueAt = now() + everyMs;
    write(lockTexts(state.lock).join(` ${look.symbols.separator} `));
  };
}
