/** Texts of the command line as values. Each says in one sentence what it takes; the option's name is added outside. */
import { InvalidArgumentError } from '@commander-js/extra-typings';
import type { ChangeRequest } from '../model/change-request.js';
import type { Kind } from '../settings/kinds.js';

/** A kind of values as commander's parser. */
export function parserOf<T>({ parse, takes }: Kind<T>): (text: string) => T {
  return (given) => {
    const value = parse(given);
    if (value === null) throw new InvalidArgumentError(`It takes ${takes}.`);
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

/** `total=quantity * price`, `"Order No"=upper(code)`: the first `=` after the name is the one. */
export function setExpression(text: string): ChangeRequest['set'][number] {
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

/** `workers=4`. What can be set and to what, the library knows. */
export function settingOf(text: string): { readonly key: string; readonly value: string } {
  const [, key, value] = /^([a-z-]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new InvalidArgumentError('It takes KEY=VALUE, such as workers=4.');
  return { key, value };
}

/** For options that may be repeated. */
export function collect<T>(parse: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}
