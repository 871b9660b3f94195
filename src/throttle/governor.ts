/**
 * How hard the work may go, from what was read of the server. Pure: no clock, no server.
 *
 * Full speed while every signal is well below its limit, slower as one comes near, a pause at the limit and until it is
 * clearly below again, an end at a critical limit. What cannot be read for a while pauses: a limit that nobody can check
 * must not be passed in silence.
 */
import {
  isLimited,
  isMeasured,
  measuredSignals,
  type Limits,
  type MeasuredSignal,
  type SignalName,
  type SwitchSignal,
} from './limits.js';
import type { Reading } from './reading.js';
import { aboveText, switchText, unknownText, unreadableText } from './reason-text.js';

export interface Reason {
  /** `manual`: a person asked for it. */
  readonly signal: SignalName | 'manual';
  readonly subject?: string;
  readonly value: number | null;
  /** Of a switch, and where no value could be read: null. */
  readonly limit: number | null;
  /** For people: `replica lag 12.3 s of standby1 is above --max-lag 10 s`. */
  readonly text: string;
}

export type Decision =
  /** Work `share` of the time; above 0, at most 1. */
  | { readonly kind: 'go'; readonly share: number }
  | { readonly kind: 'pause'; readonly reasons: readonly Reason[] }
  | { readonly kind: 'stop'; readonly reasons: readonly Reason[] };

/** What is remembered of one signal and subject from one decision to the next. */
interface Memory {
  readonly signal: SignalName;
  readonly subject: string | undefined;
  /** The limit that it was seen at, and was not clearly below since; null when it holds up nothing. */
  readonly heldBy: number | null;
  /** Readings in a row that failed. */
  readonly failures: number;
  /** As of the last reading that did not fail. */
  readonly share: number;
}

export type GovernorState = ReadonlyMap<string, Memory>;

export const initialState: GovernorState = new Map();

/** One reading fails easily (a timeout, a replica that restarts); three in a row are a condition. */
const failuresToPause = 3;
/** Of the limit: below it, nothing is slowed down. */
const fullSpeedBelow = 0.7;
/** Of the limit: what paused lets go below it, so that work does not flutter around the limit. */
const letGoBelow = 0.9;
/** Right below the limit; less would be a pause that nobody is told of. */
const leastShare = 0.1;

/**
 * Readings of signals that no limit is set for are ignored. A subject that is no longer among the readings (a replica
 * that went away) is forgotten, unless its signal as a whole could not be read.
 */
export function govern(
  readings: readonly Reading[],
  limits: Limits,
  previous: GovernorState,
): { readonly decision: Decision; readonly state: GovernorState } {
  const limited = readings.filter(({ signal }) => isLimited(limits, signal));
  const known = limited.map((reading) => judge(reading, limits, previous.get(keyOf(reading))));
  // Who was not seen because their signal failed as a whole; what there is to tell of that, the whole tells.
  const unseen = unseenOf(limited, previous).map((memory) =>
    judge({ ...subjectOf(memory), signal: memory.signal, value: null }, limits, memory),
  );
  const judged = [
    ...known,
    ...unseen.map(({ memory, pause, stop }) => ({
      memory,
      pause: memory.heldBy === null ? null : pause,
      stop,
    })),
  ];
  const state = new Map(judged.map(({ memory }) => [keyOf(memory), memory]));
  const stops = judged.flatMap(({ stop }) => stop ?? []);
  if (stops.length > 0) return { decision: { kind: 'stop', reasons: stops }, state };
  const pauses = judged.flatMap(({ pause }) => pause ?? []);
  if (pauses.length > 0) return { decision: { kind: 'pause', reasons: pauses }, state };
  return {
    decision: { kind: 'go', share: Math.min(1, ...judged.map(({ memory }) => memory.share)) },
    state,
  };
}

/**
 * How long a worker sleeps after a chunk, in milliseconds: so long that it works only `share` of the time, and
 * `niceRatio` times the chunk's duration on top.
 */
export function pauseAfterChunkMs(chunkMs: number, share: number, niceRatio = 0): number {
  return chunkMs * (1 / share - 1) + chunkMs * niceRatio;
}

interface Judgement {
  readonly memory: Memory;
  readonly pause: Reason | null;
  readonly stop: Reason | null;
}

function judge(reading: Reading, limits: Limits, before: Memory | undefined): Judgement {
  const { signal, value } = reading;
  if (value === null) return judgeUnreadable(reading, limits, before);
  return isMeasured(signal)
    ? judgeMeasured({ ...reading, signal, value }, limits, before)
    : judgeSwitch({ ...reading, signal, value });
}

function judgeUnreadable(reading: Reading, limits: Limits, before: Memory | undefined): Judgement {
  const { signal } = reading;
  const failures = (before?.failures ?? 0) + 1;
  const heldBy = before === undefined ? null : stillHeldBy(before, limits);
  const memory = { ...memoryOf(reading), heldBy, failures, share: before?.share ?? 1 };
  const reason = (text: string): Reason => ({
    ...subjectOf(reading),
    signal,
    value: null,
    limit: heldBy !== null && isMeasured(signal) ? heldBy : null,
    text,
  });
  // What paused is not let go on a reading that failed.
  if (heldBy !== null) return { memory, pause: reason(unknownText(reading, heldBy)), stop: null };
  const pause = failures < failuresToPause ? null : reason(unreadableText(reading));
  return { memory, pause, stop: null };
}

function judgeMeasured(
  reading: Reading & { readonly signal: MeasuredSignal; readonly value: number },
  limits: Limits,
  before: Memory | undefined,
): Judgement {
  const { signal, value } = reading;
  const facts = measuredSignals[signal];
  const own = reading.limits;
  const [max, critical] =
    own === undefined
      ? [limits[facts.max] ?? null, limits[facts.critical] ?? null]
      : [own.max?.value ?? null, own.critical?.value ?? null];
  const reason = (limit: number, kind: 'max' | 'critical'): Reason => ({
    ...subjectOf(reading),
    signal,
    value,
    limit,
    text: aboveText(reading, limit, kind),
  });
  const wasHeld = before !== undefined && max !== null && before.heldBy === max;
  const isHeld = max !== null && (isAt(value, max) || (wasHeld && !isClearlyBelow(value, max)));
  return {
    memory: {
      ...memoryOf(reading),
      heldBy: isHeld ? max : null,
      failures: 0,
      share: max === null ? 1 : shareOf(value, max),
    },
    pause: isHeld ? reason(max, 'max') : null,
    stop: critical !== null && isAt(value, critical) ? reason(critical, 'critical') : null,
  };
}

function judgeSwitch(
  reading: Reading & { readonly signal: SwitchSignal; readonly value: number },
): Judgement {
  const { signal, value } = reading;
  const isOn = value > 0;
  const reason = { ...subjectOf(reading), signal, value, limit: null, text: switchText(reading) };
  return {
    memory: { ...memoryOf(reading), heldBy: isOn ? 0 : null, failures: 0, share: 1 },
    pause: isOn ? reason : null,
    stop: null,
  };
}

/** A limit of 0 is passed by anything above: at 0 there is nothing to wait for. */
function isAt(value: number, limit: number): boolean {
  return limit > 0 ? value >= limit : value > limit;
}

function isClearlyBelow(value: number, limit: number): boolean {
  return limit > 0 ? value < limit * letGoBelow : value <= limit;
}

/** 1 up to 70 % of the limit, then along a line to 0.1 at the limit. */
function shareOf(value: number, limit: number): number {
  if (limit <= 0) return 1;
  const steps = (value / limit - fullSpeedBelow) / (1 - fullSpeedBelow);
  return 1 - Math.min(Math.max(steps, 0), 1) * (1 - leastShare);
}

/** A limit that was changed or taken away meanwhile holds nothing up; those that come with a reading are not known without it. */
function stillHeldBy({ signal, heldBy }: Memory, limits: Limits): number | null {
  if (heldBy === null || !isMeasured(signal) || measuredSignals[signal].isAlwaysLimited) return heldBy;
  return limits[measuredSignals[signal].max] === heldBy ? heldBy : null;
}

/** Remembered subjects of the signals that failed as a whole: their reading is null and names no subject. */
function unseenOf(readings: readonly Reading[], previous: GovernorState): Memory[] {
  const seen = new Set(readings.map(keyOf));
  const failed = new Set(
    readings
      .filter(({ value, subject }) => value === null && subject === undefined)
      .map(({ signal }) => signal),
  );
  return [...previous].flatMap(([key, memory]) =>
    failed.has(memory.signal) && !seen.has(key) ? memory : [],
  );
}

function keyOf({ signal, subject }: { readonly signal: SignalName; readonly subject?: string | undefined }) {
  return subject === undefined ? signal : `${signal} of ${subject}`;
}

function memoryOf({ signal, subject }: Reading): Pick<Memory, 'signal' | 'subject'> {
  return { signal, subject };
}

function subjectOf({ subject }: { readonly subject?: string | undefined }): { readonly subject?: string } {
  return subject === undefined ? {} : { subject };
}
