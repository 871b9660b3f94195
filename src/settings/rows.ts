/** The rows of the table with the way to their values: whoever goes through all of them need not know where each is. Pure. */
import { said, type SayAction } from '../advice.js';
import type { Limits } from '../throttle/limits.js';
import { ofLimits, ofRun, type Setting } from './table.js';
import type { RunSettings } from './run-settings.js';

/** Which type its values have is not known here: they come from its own kind, or from `read`. */
export interface Row extends Setting<unknown> {
  /** `workers`, `limits.maxLagMs`. */
  readonly field: string;
  readonly read: (settings: RunSettings) => unknown;
  readonly write: (settings: RunSettings, value: unknown) => RunSettings;
}

/** One that people can give, by its key. */
export interface KeyedRow extends Row {
  readonly key: string;
}

const runRows = Object.entries<Setting<unknown>>(ofRun).map(([field, setting]): Row => ({
  ...setting,
  field,
  read: (settings) => settings[field as keyof RunSettings],
  write: (settings, value) => ({ ...settings, [field]: value }),
}));

const limitRows = Object.entries<Setting<unknown>>(ofLimits).map(([field, setting]): Row => ({
  ...setting,
  field: `limits.${field}`,
  read: ({ limits }) => limits[field as keyof Limits] ?? null,
  write: (settings, value) => ({ ...settings, limits: { ...settings.limits, [field]: value } }),
}));

/** As --help has them: what belongs together stands together. */
export const rows: readonly Row[] = (['run', 'cost', 'swap'] as const).flatMap((part) =>
  [...limitRows, ...runRows].filter((row) => row.part === part),
);

export const keyedRows: readonly KeyedRow[] = rows.filter((row): row is KeyedRow => row.key !== null);

/** For --help. */
export function helpOf({ help: text, kind: { range, choices } }: Row, say: SayAction): string {
  const help = said(text, say);
  if (choices !== undefined) {
    const each = Object.entries(choices).map(([name, means]) => `${name}: ${means}`);
    return `${help}. ${each.join('; ')}`;
  }
  return range === null ? help : `${help} (${range})`;
}

/** Of a choice only what was chosen. */
export function meaningOf(row: Row, value: unknown, say: SayAction): string {
  const chosen = row.kind.choices?.[String(value)];
  return chosen === undefined ? helpOf(row, say) : `${said(row.help, say)}: ${chosen}`;
}

/** Whether it says nothing: off, none, no. */
export function isNothing(value: unknown): value is null | undefined | false {
  return (
    value === null || value === undefined || value === false || (Array.isArray(value) && value.length === 0)
  );
}

/** As it is typed, one for each time; none for a switch, and where there is nothing to type. */
export function typedOf({ kind }: Row, value: unknown): readonly string[] {
  return isNothing(value) || kind.placeholder === null
    ? []
    : [kind.format(value as NonNullable<unknown>)].flat();
}

/** null: nothing by default. */
export function defaultText(row: Row): string | null {
  return typedOf(row, row.default)[0] ?? null;
}
