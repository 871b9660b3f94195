/** The settings' options, as the table of settings has them: how they are read, and what was given as settings. */
import { Option } from '@commander-js/extra-typings';
import { defaultText, helpOf, keyedRows, isNothing, type KeyedRow } from '../settings/rows.js';
import { defaultRunSettings } from '../settings/table.js';
import type { RunSettings } from '../settings/run-settings.js';
import { replicaFrom, type Environment } from './given-connection.js';
import { commandLine } from './command-line.js';
import { parserOf } from './values.js';

/** Of the options that are not a setting's, which each command names by itself. */
export type Values = Readonly<Record<string, unknown>>;

/** @param only those of these keys; else all of them */
export function settingOptions(only?: readonly string[]): Option[] {
  return keyedRows.filter(({ key }) => only?.includes(key) ?? true).map(optionOf);
}

function optionOf(row: KeyedRow): Option {
  const { key, kind } = row;
  const option = new Option(
    kind.placeholder === null ? `--${key}` : `--${key} <${kind.placeholder}>`,
    helpOf(row, commandLine),
  );
  if (kind.choices !== undefined) option.choices(Object.keys(kind.choices));
  else if (kind.repeats === true) option.argParser<unknown>(appending(row));
  else if (kind.placeholder !== null) option.argParser(parserOf(kind));
  const typed = defaultText(row);
  if (isNothing(row.default) || typed === null) return option;
  return option.default(row.default, row.kind.choices === undefined ? typed : undefined);
}

function appending({ kind }: KeyedRow): (text: string, before: unknown) => unknown[] {
  const one = parserOf(kind);
  return (text, before) => [...(Array.isArray(before) ? (before as unknown[]) : []), one(text)].flat();
}

/** What was not given is as by default. @param env what it says of users, passwords and files counts for replicas too */
export function settingsOf(values: Values, env: Environment): RunSettings {
  let settings = defaultRunSettings;
  for (const row of keyedRows) {
    const value = givenFor(row, values);
    if (value !== undefined) settings = row.write(settings, value);
  }
  return { ...settings, replicas: settings.replicas.map(({ url = '' }) => replicaFrom(url, env)) };
}

/** As commander names what was given; `--no-x` is its `x`, which is false then. */
function givenFor({ key }: KeyedRow, values: Values): unknown {
  const option = new Option(`--${key}`);
  const value = values[option.attributeName()];
  return option.negate ? value === false : value;
}
