/** Why the work waits, in a sentence without its full stop. Pure. */
import type { Reading } from './reading.js';
import { isMeasured, measuredSignals, type MeasuredSignal } from './limits.js';

type Kind = 'max' | 'critical';

/** `replica lag 12.3 s of standby1 is above --max-lag 10 s` */
export function aboveText(
  reading: Reading & { readonly signal: MeasuredSignal; readonly value: number },
  limit: number,
  kind: Kind,
): string {
  const { noun, format } = measuredSignals[reading.signal];
  const { value } = reading;
  const where = value > limit ? 'above' : value === limit ? 'at' : 'not yet 10 % below';
  const text = reading.limits?.[kind]?.text ?? optionText(reading.signal, limit, kind);
  return `${noun} ${format(value)}${of(reading)} is ${where} ${text}`;
}

/** Of a switch that is on: `autovacuum is at work on public.orders`. */
export function switchText(reading: Reading): string {
  const { signal, subject, value, detail } = reading;
  if (signal === 'autovacuum') return `autovacuum is at work on ${subject ?? 'the table'}`;
  if (signal === 'pause-file') return `the pause file ${subject ?? ''} exists`;
  return `the throttle query returned ${detail ?? String(value)}`;
}

/** `replica lag of standby1 cannot be read: connection refused` */
export function unreadableText(reading: Reading): string {
  return `${nounOf(reading)} cannot be read${because(reading)}`;
}

/** What paused before and cannot be read now. */
export function unknownText(reading: Reading, limit: number): string {
  const { signal } = reading;
  const before = isMeasured(signal) ? `was not below ${heldText(signal, limit)}` : 'paused the work';
  return `${nounOf(reading)} ${before} and cannot be read now${because(reading)}`;
}

function nounOf(reading: Reading): string {
  const { signal, subject } = reading;
  if (isMeasured(signal)) return `${measuredSignals[signal].noun}${of(reading)}`;
  if (signal === 'autovacuum') return `autovacuum${subject === undefined ? '' : ` on ${subject}`}`;
  if (signal === 'pause-file') return `the pause file${subject === undefined ? '' : ` ${subject}`}`;
  return 'the throttle query';
}

function heldText(signal: MeasuredSignal, limit: number): string {
  const { isAlwaysLimited, format } = measuredSignals[signal];
  return isAlwaysLimited ? format(limit) : optionText(signal, limit, 'max');
}

function optionText(signal: MeasuredSignal, limit: number, kind: Kind): string {
  const { option, format } = measuredSignals[signal];
  return `--${kind}-${option} ${format(limit)}`;
}

function of({ subject }: Reading): string {
  return subject === undefined ? '' : ` of ${subject}`;
}

function because({ detail }: Reading): string {
  return detail === undefined ? '' : `: ${detail}`;
}
