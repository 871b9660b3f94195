/** What `pg-ghost set` can change in a run that is under way: names of the command line's options, and their values. Pure. */
import parseDurationText from 'parse-duration';
import { UsageError } from '../errors.js';
import type { Limits } from '../throttle/limits.js';
import { checkThrottleQuery } from '../throttle/signals/throttle-query.js';
import type { RunSettings } from './types.js';

/** null: the limit is off. */
export type SettingValue = number | string | boolean | null;

interface Settable {
  readonly read: (settings: RunSettings) => SettingValue;
  readonly apply: (settings: RunSettings, value: SettingValue) => RunSettings;
  readonly parse: (text: string) => SettingValue;
  readonly takes: string;
}

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Error(`a whole number from ${min} to ${max}`);
    return value;
  };

const decimal = (text: string): number => {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new Error('a number of at least 0');
  return value;
};

const duration = (text: string): number => {
  const value = /^\s*\d/.test(text) && /[a-z]\s*$/i.test(text) ? parseDurationText(text) : null;
  if (value == null || value < 0) throw new Error('a duration with its unit: 90s, 10m');
  return value;
};

function setting(
  key: 'workers' | 'chunkTimeMs' | 'lockTimeoutMs' | 'maxHoldMs' | 'cutoverDeadlineMs',
  parse: Settable['parse'],
  takes: string,
): Settable {
  return {
    parse,
    takes,
    read: (settings) => settings[key],
    apply: (settings, value) => ({ ...settings, [key]: value }),
  };
}

/** It runs beside the copy every second: what is no query is refused here, and not by the run that it would end. */
const query = (text: string): string => {
  checkThrottleQuery(text);
  return text;
};

/** `off` takes a limit away. */
function limit(key: keyof Limits, parse: Settable['parse'], takes: string): Settable {
  return {
    takes: `${takes}, or off`,
    read: ({ limits }) => limits[key] ?? null,
    parse: (text) => (text === 'off' ? null : parse(text)),
    apply: (settings, value) => ({ ...settings, limits: { ...settings.limits, [key]: value } }),
  };
}

const on = (text: string): boolean => {
  if (text !== 'on') throw new Error('on or off');
  return true;
};

export const settable: Readonly<Record<string, Settable>> = {
  workers: setting('workers', whole(1, 64), '1-64'),
  'chunk-time': setting('chunkTimeMs', whole(10, 60_000), 'ms, 10-60000'),
  'lock-timeout': setting('lockTimeoutMs', whole(1, 60_000), 'ms, 1-60000'),
  'max-hold': setting('maxHoldMs', whole(1, 60_000), 'ms, 1-60000'),
  'cutover-deadline': setting('cutoverDeadlineMs', duration, 'a duration: 10m'),
  'max-lag': limit('maxLagMs', whole(0, 86_400_000), 'ms'),
  'critical-lag': limit('criticalLagMs', whole(0, 86_400_000), 'ms'),
  'max-lag-bytes': limit('maxLagBytes', whole(0, 1e15), 'bytes'),
  'critical-lag-bytes': limit('criticalLagBytes', whole(0, 1e15), 'bytes'),
  'max-active': limit('maxActive', whole(0, 100_000), 'sessions'),
  'critical-active': limit('criticalActive', whole(0, 100_000), 'sessions'),
  'max-waiters': limit('maxWaiters', whole(0, 100_000), 'sessions'),
  'critical-waiters': limit('criticalWaiters', whole(0, 100_000), 'sessions'),
  'max-wal-rate': limit('maxWalRate', whole(0, 1e15), 'bytes a second'),
  'critical-wal-rate': limit('criticalWalRate', whole(0, 1e15), 'bytes a second'),
  'max-retained-wal': limit('maxRetainedWal', whole(0, 1e15), 'bytes'),
  'critical-retained-wal': limit('criticalRetainedWal', whole(0, 1e15), 'bytes'),
  'max-xid-age': limit('maxXidAge', whole(0, 2_147_483_647), 'transactions'),
  'critical-xid-age': limit('criticalXidAge', whole(0, 2_147_483_647), 'transactions'),
  'pause-on-autovacuum': limit('pauseOnAutovacuum', on, 'on'),
  'throttle-query': limit('throttleQuery', query, 'one SELECT'),
  'pause-file': limit('pauseFile', (text) => text, 'a path'),
  nice: limit('niceRatio', decimal, 'a ratio'),
};

/** @throws UsageError `bad-setting` */
export function applySetting(settings: RunSettings, key: string, text: string): RunSettings {
  const known = settable[key];
  if (known === undefined) {
    throw new UsageError('bad-setting', `${key} cannot be set while a migration runs`, {
      hint: `one of: ${Object.keys(settable).join(', ')}`,
    });
  }
  try {
    return known.apply(settings, known.parse(text));
  } catch (cause) {
    throw new UsageError('bad-setting', `${key}=${text}: it takes ${known.takes}`, { cause });
  }
}

/** Everything that can be set, as it is now. */
export function currentSettings(settings: RunSettings): Readonly<Record<string, SettingValue>> {
  return Object.fromEntries(Object.entries(settable).map(([key, { read }]) => [key, read(settings)]));
}

/** Checks a setting without a run. */
export function checkSetting(key: string, text: string): void {
  applySetting({ limits: {} } as RunSettings, key, text);
}
