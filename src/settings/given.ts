/** What a program gives: the defaults for what it leaves out, and the same ranges as for people. Pure. */
import { UsageError } from '../errors.js';
import { rows } from './rows.js';
import { defaultRunSettings } from './table.js';
import type { RunSettings } from './run-settings.js';

const known = new Set(['limits', ...rows.map(({ field }) => field)]);

/**
 * Where a field is undefined it counts as left out.
 *
 * @throws UsageError `bad-setting`; what a throttle query or a replica's connection string is refused with
 */
export function settingsFrom(given: Partial<RunSettings> = {}): RunSettings {
  refuseUnknown(Object.keys(given), '');
  refuseUnknown(Object.keys(given.limits ?? {}), 'limits.');
  const settings: RunSettings = { ...defaultRunSettings, ...withoutUndefined(given) };
  for (const { field, kind, read, default: byDefault } of rows) {
    const value = read(settings);
    if (value === null && byDefault === null) continue;
    if (!kind.accepts(value)) {
      throw new UsageError('bad-setting', `${field} is ${shown(value)}: it takes ${kind.takes}`, {
        state: 'nothing was changed',
      });
    }
  }
  return settings;
}

function refuseUnknown(fields: readonly string[], before: string): void {
  const field = fields.find((each) => !known.has(`${before}${each}`));
  if (field === undefined) return;
  throw new UsageError('bad-setting', `there is no setting ${before}${field}`, {
    state: 'nothing was changed',
    hint: `one of: ${[...known].join(', ')}`,
  });
}

function withoutUndefined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
