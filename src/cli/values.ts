/** Texts of the command line as values. Each says in one sentence what it takes; the option's name is added outside. */
import { InvalidArgumentError } from '@commander-js/extra-typings';
import parseDurationText from 'parse-duration';
import { cutoverWindow, type CutoverWindow } from '../run/cutover-window.js';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Digits only: `1e3`, `0x10`, `5.0` and `+5` are more likely typing errors than wishes. */
export function wholeNumber({ min, max }: Range): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It takes a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A migration's id, as `run` printed it. PostgreSQL's integer is its type. */
export function migrationId(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 2_147_483_647) {
    throw new InvalidArgumentError('It takes the number of a migration, as pg-ghost status shows it.');
  }
  return value;
}

/** `90s`, `10m`, `1h30m` in ms. Always with a unit: seconds and milliseconds are both what somebody expects. */
export function durationMs({ min, max }: Range): (text: string) => number {
  return (text) => {
    const parts = /^(?:\s*\d+(?:\.\d+)?\s*[a-z]+)+\s*$/i.test(text)
      ? (text.match(/[\d.]+\s*[a-z]+/gi) ?? [])
      : [];
    // The parser skips units that it does not know.
    const values = parts.map((part) => parseDurationText(part) ?? Number.NaN);
    const total = values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0);
    if (!(total >= min && total <= max)) {
      throw new InvalidArgumentError(
        `It takes a duration with its unit from ${min / 1000}s to ${max / 86_400_000}d, such as 90s, 10m or 1h30m.`,
      );
    }
    return total;
  };
}

export interface SetExpression {
  /** As in SQL: quoted where it needs it. */
  readonly column: string;
  readonly expression: string;
}

/** `total=quantity * price`, `"Order No"=upper(code)`: the first `=` after the name is the one. */
export function setExpression(text: string): SetExpression {
  const [, column, expression = ''] =
    /^\s*("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)\s*=(.*)$/su.exec(text) ?? [];
  if (column === undefined || expression.trim() === '') {
    throw new InvalidArgumentError(
      'It takes COLUMN=EXPRESSION; a column with other characters in "double quotes".',
    );
  }
  return { column, expression: expression.trim() };
}

export function nonEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

/** `0.5`, `2`. */
export function ratio(text: string): number {
  const value = /^\d{1,3}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 100)) throw new InvalidArgumentError('It takes a number from 0 to 100.');
  return value;
}

export function cutoverWindowOf(text: string): CutoverWindow {
  try {
    return cutoverWindow(text);
  } catch {
    throw new InvalidArgumentError(
      'It takes HH:MM-HH:MM and a time zone, such as "02:00-04:00 Europe/Berlin".',
    );
  }
}

export interface Setting {
  readonly key: string;
  readonly value: string;
}

/** `workers=4`. What can be set and to what, the library knows. */
export function settingOf(text: string): Setting {
  const [, key, value] = /^([a-z-]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new InvalidArgumentError('It takes KEY=VALUE, such as workers=4.');
  return { key, value };
}

/** For options that may be repeated. */
export function collect<T>(parse: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}
