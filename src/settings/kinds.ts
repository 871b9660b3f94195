/** Kinds of values: how one is read from a text, what a program may give, and how it is written. Pure. */
import parseDurationText from 'parse-duration';
import { describeConnection } from '../db/connection.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { checkThrottleQuery } from '../throttle/signals/throttle-query.js';
import { cutoverWindow, isCutoverWindow, type CutoverWindow } from './cutover-window.js';

export interface Kind<T> {
  /** What stands for a value in help, with its unit where it has one: `MS`; null for a switch, which takes none. */
  readonly placeholder: string | null;
  /** As the end of "It takes ...". */
  readonly takes: string;
  /** For help: `1-64`; null where nobody comes near the ends. */
  readonly range: string | null;
  /** Each with what it means. */
  readonly choices?: Readonly<Record<string, string>>;
  /** May be given several times; what was given is put together. */
  readonly repeats?: true;
  /** null: the text is not one. @throws UsageError where more can be said of what is wrong with it */
  readonly parse: (text: string) => T | null;
  /** Whether a program may give this. @throws UsageError as `parse` */
  readonly accepts: (value: unknown) => boolean;
  /** As it is typed; a list where it is typed several times. (As a method, so that rows of all types are rows.) */
  format(this: void, value: T): string | readonly string[];
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

const within = ({ min, max }: Range, value: number): boolean => value >= min && value <= max;

/** Digits only: `1e3`, `0x10`, `5.0` and `+5` are more likely typing errors than wishes. */
export function wholeNumber(placeholder: string, range: Range): Kind<number> {
  const accepts = (value: unknown): boolean => Number.isInteger(value) && within(range, Number(value));
  return {
    placeholder,
    takes: `a whole number from ${range.min} to ${range.max}`,
    range: `${range.min}-${range.max}`,
    parse: (text) => (/^\d{1,16}$/.test(text) && accepts(Number(text)) ? Number(text) : null),
    accepts,
    format: String,
  };
}

/** A whole number whose upper end only keeps out what nobody can mean. */
export function amount(placeholder: string, max: number): Kind<number> {
  return { ...wholeNumber(placeholder, { min: 0, max }), range: null };
}

/** `0.5`, `2`. */
export function ratio(range: Range): Kind<number> {
  const accepts = (value: unknown): boolean => typeof value === 'number' && within(range, value);
  return {
    placeholder: 'RATIO',
    takes: `a number from ${range.min} to ${range.max}`,
    range: `${range.min}-${range.max}`,
    parse: (text) => (/^\d{1,15}(\.\d+)?$/.test(text) && accepts(Number(text)) ? Number(text) : null),
    accepts,
    format: String,
  };
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** `90s`, `10m`, `1h30m` in ms. Always with a unit: seconds and milliseconds are both what somebody expects. */
export function timeSpan(placeholder: string, range: Range): Kind<number> {
  const ends = `${range.min / 1000}s`;
  const accepts = (value: unknown): boolean => typeof value === 'number' && within(range, value);
  return {
    placeholder,
    takes: `a duration with its unit from ${ends} to ${range.max / 86_400_000}d, such as 90s, 10m or 1h30m`,
    range: `${ends}-${range.max / 86_400_000}d`,
    parse: (text) => {
      const total = milliseconds(text);
      return accepts(total) ? total : null;
    },
    accepts,
    format: durationText,
  };
}

/** NaN where it is none. */
function milliseconds(text: string): number {
  const isOne = /^(?:\s*\d+(?:\.\d+)?\s*[a-z]+)+\s*$/i.test(text);
  const parts = isOne ? (text.match(/[\d.]+\s*[a-z]+/gi) ?? []) : [];
  // The parser skips units that it does not know.
  const values = parts.map((part) => parseDurationText(part) ?? Number.NaN);
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0);
}

/** In the largest units: `1h30m`. */
function durationText(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  if (rest > 0) text += `${rest}ms`;
  return text === '' ? '0s' : text;
}

export function choice<T extends string>(choices: Readonly<Record<T, string>>): Kind<T> {
  const names = Object.keys(choices) as T[];
  const find = (value: unknown): T | null => names.find((each) => each === value) ?? null;
  return {
    placeholder: 'HOW',
    takes: `one of ${names.join(', ')}`,
    range: null,
    choices,
    parse: find,
    accepts: (value) => find(value) !== null,
    format: String,
  };
}

/** Its option takes no value; as text it is `on`. */
export const onOrOff: Kind<boolean> = {
  placeholder: null,
  takes: 'on',
  range: null,
  parse: (text) => (text === 'on' ? true : null),
  accepts: (value) => typeof value === 'boolean',
  format: (value) => (value ? 'on' : 'off'),
};

export function text(placeholder: string, takes: string): Kind<string> {
  const accepts = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';
  return {
    placeholder,
    takes,
    range: null,
    parse: (given) => (accepts(given) ? given : null),
    accepts,
    format: String,
  };
}

const anyText = text('SQL', 'one SELECT');

/** It runs beside the copy every second: what is no query is refused here, and not by the run that it would end. */
export const query: Kind<string> = {
  ...anyText,
  parse: (given) => {
    if (anyText.parse(given) === null) return null;
    checkThrottleQuery(given);
    return given;
  },
  accepts: (value) => {
    if (!anyText.accepts(value)) return false;
    checkThrottleQuery(String(value));
    return true;
  },
};

export const window: Kind<CutoverWindow> = {
  placeholder: 'WINDOW',
  takes: 'HH:MM-HH:MM and a time zone, such as "02:00-04:00 Europe/Berlin"',
  range: null,
  parse: (given) => {
    try {
      return cutoverWindow(given);
    } catch {
      return null;
    }
  },
  accepts: isCutoverWindow,
  format: (value) => value.text,
};

/** Where to connect, one at a time. */
export const connections: Kind<readonly ConnectionOptions[]> = {
  placeholder: 'URL',
  takes: 'a connection string',
  range: null,
  repeats: true,
  parse: (given) => (given.trim() === '' ? null : [{ url: given }]),
  accepts: (value) => {
    if (!Array.isArray(value)) return false;
    const given = value as readonly unknown[];
    if (!given.every((each) => typeof each === 'object' && each !== null)) return false;
    // What cannot be connected to by itself is better known before the work than in the middle of it.
    given.forEach((each) => describeConnection(each as ConnectionOptions));
    return true;
  },
  format: (value) => value.map(({ url }) => url ?? ''),
};
