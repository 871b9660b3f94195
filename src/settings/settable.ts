/** What `pg-ghost set` can change in a run that is under way, by the names of the command line's options. Pure. */
import { UsageError } from '../errors.js';
import { keyedRows, type KeyedRow } from './rows.js';
import { defaultRunSettings } from './table.js';
import type { RunSettings } from './run-settings.js';

/** null: the limit is off. */
export type SettingValue = number | string | boolean | null;

const settable = keyedRows.filter(({ changesInRun }) => changesInRun === true);

export const settableKeys: readonly string[] = settable.map(({ key }) => key);

/** @throws UsageError `bad-setting` */
export function applySetting(settings: RunSettings, key: string, text: string): RunSettings {
  const row = settable.find((each) => each.key === key);
  if (row === undefined) {
    throw new UsageError('bad-setting', `${key} cannot be set while a migration runs`, {
      hint: `one of: ${settableKeys.join(', ')}`,
    });
  }
  return row.write(settings, valueOf(row, text));
}

/** `off` takes away what is off by default. */
function valueOf(row: KeyedRow, text: string): unknown {
  const canBeOff = row.default === null;
  if (canBeOff && text === 'off') return null;
  const bad = (cause?: unknown): UsageError =>
    new UsageError(
      'bad-setting',
      `${row.key}=${text}: it takes ${row.kind.takes}${canBeOff ? ', or off' : ''}`,
      { cause },
    );
  try {
    const value = row.kind.parse(text);
    if (value !== null) return value;
  } catch (cause) {
    throw bad(cause);
  }
  throw bad();
}

/** Everything that can be set, as it is now. */
export function currentSettings(settings: RunSettings): Readonly<Record<string, SettingValue>> {
  return Object.fromEntries(settable.map(({ key, read }) => [key, read(settings) as SettingValue]));
}

/** Checks a setting without a run. @throws UsageError `bad-setting` */
export function checkSetting(key: string, text: string): void {
  applySetting(defaultRunSettings, key, text);
}
