/**
 * Before the swap is tried: it may be postponed by the user, by the hour, by a hook, or by a pause. Until then the log is being
 * applied and the tables are compared again now and then, so that the swap can come at any moment.
 */
import { advice, named, type Text } from '../advice.js';
import { messageOf } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { displayName } from '../sql/quote.js';
import type { Answer } from '../state/stored-json.js';
import type { Reason } from '../throttle/governor.js';
import { firstTable, type RunContext } from './context.js';
import { isOpen, remaining, untilOpen } from '../settings/cutover-window.js';

const everyMs = 300;
/** A hook that said no is asked again after this. */
const askAgainMs = 30_000;

export interface Waiting {
  readonly catchUp: () => Promise<unknown>;
  /** Compares the tables again; throws when they differ. */
  readonly reverify: () => Promise<void>;
  /** Does the swap and takes it back. */
  readonly rehearse: () => Promise<Answer>;
}

/** Returns when the swap may be tried. */
export async function awaitCutover(
  context: RunContext,
  { catchUp, reverify, rehearse }: Waiting,
): Promise<void> {
  const { steering, emit, signal, id, beforeCutover } = context;
  const { table } = firstTable(context).plan;
  let verifiedMs = performance.now();
  let askedMs = -Infinity;
  let wishes = steering.cutoverWishes;
  let hookSaid: string | null = null;
  let told: Text | null = null;
  steering.isWaiting = true;
  try {
    for (;;) {
      signal.throwIfAborted();
      steering.throttle?.check();
      const rehearsal = steering.takeRehearsal();
      if (rehearsal !== null) {
        rehearsal(
          await rehearse().catch((error: unknown) => {
            rehearsal({ ok: false, said: `the rehearsal was broken off: ${messageOf(error)}` });
            throw error;
          }),
        );
        // The tries were told as those of a swap.
        told = null;
      }
      let why = postponedBy(context);
      if (why === null && beforeCutover !== null && beforeCutover !== undefined) {
        // Who asks for the swap knows better than the clock when the answer may be another one.
        if (performance.now() - askedMs > askAgainMs || steering.cutoverWishes !== wishes) {
          askedMs = performance.now();
          // A second no is an answer too.
          if (steering.cutoverWishes !== wishes) told = null;
          wishes = steering.cutoverWishes;
          const { ok, said } = await beforeCutover({ id, table: displayName(table) });
          hookSaid = ok ? null : `a before-cutover hook says no${said === '' ? '' : `: ${said}`}`;
        }
        why = hookSaid;
      }
      if (why === null) return;
      if (why !== told) emit('cutover:postponed', { why });
      told = why;
      await catchUp();
      if (performance.now() - verifiedMs > context.settings.reverifyEveryMs) {
        await reverify();
        verifiedMs = performance.now();
      }
      await sleep(everyMs, signal);
    }
  } finally {
    steering.isWaiting = false;
  }
}

/** One and the same: it is told once. */
const untilAsked = advice`postponed until ${named('cutover')}`;

function postponedBy({ steering, settings }: RunContext): Text | null {
  const paused = heldUpBy(steering, ['manual']);
  if (paused !== null) return paused;
  if (steering.cutoverWasAskedFor) return null;
  if (settings.postponeCutover) return untilAsked;
  const { cutoverWindow: window } = settings;
  const now = new Date();
  if (window === null || isOpen(window, now)) return null;
  const opens = new Date(now.getTime() + untilOpen(window, now)).toISOString();
  return `outside of the window ${window.text}, until ${opens.slice(0, 10)} ${opens.slice(11, 16)} UTC`;
}

/**
 * Why there should be no try now: paused, or a replica is too far behind to follow the swap soon.
 *
 * @throws at a critical limit, and when the limits cannot be known any more
 */
export function notReady({ steering }: RunContext): string | null {
  steering.throttle?.check();
  return heldUpBy(steering, ['manual', 'replica-lag', 'replica-lag-bytes']);
}

/** The limits of copy and verification do not hold the swap up, but for these. */
function heldUpBy({ throttle }: RunContext['steering'], signals: readonly Reason['signal'][]): string | null {
  const current = throttle?.current;
  if (current?.kind !== 'pause') return null;
  return current.reasons.find(({ signal }) => signals.includes(signal))?.text ?? null;
}

/** How long the swap may be tried from now on. */
export function cutoverPatienceMs({ settings, steering }: RunContext): number {
  const { cutoverDeadlineMs, cutoverWindow: window } = settings;
  return window === null || steering.cutoverWasAskedFor
    ? cutoverDeadlineMs
    : Math.min(cutoverDeadlineMs, Math.max(1000, remaining(window, new Date())));
}
