/** Storage parameters. */
import { ident, literal } from '../sql/quote.js';

/** `fillfactor=70`, `toast.autovacuum_enabled=off` as they are in the catalog, to what goes between WITH's parentheses. */
export function optionList(options: readonly string[]): string {
  return options
    .map((option) => {
      const { name, value } = splitOption(option);
      return `${optionName(name)} = ${literal(value)}`;
    })
    .join(', ');
}

/** `toast.autovacuum_enabled`, quoted. */
export function optionName(name: string): string {
  return name.split('.').map(ident).join('.');
}

export function splitOption(option: string): { name: string; value: string } {
  const at = option.indexOf('=');
  return at < 0
    ? { name: option, value: 'true' }
    : { name: option.slice(0, at), value: option.slice(at + 1) };
}

/**
 * From these options to those.
 * @param alter `alter table x`, `alter table x alter column y`
 */
export function optionChanges(alter: string, now: readonly string[], wanted: readonly string[]): string[] {
  const names = wanted.map((option) => splitOption(option).name);
  const gone = now.map((option) => splitOption(option).name).filter((name) => !names.includes(name));
  const given = wanted.filter((option) => !now.includes(option));
  return [
    ...(gone.length === 0 ? [] : [`${alter} reset (${gone.map(optionName).join(', ')})`]),
    ...(given.length === 0 ? [] : [`${alter} set (${optionList(given)})`]),
  ];
}
