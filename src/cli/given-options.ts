/** Which options of a run were given with another value than the default, for `plan` to show. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { GivenOption } from '../report/plan-settings.js';
import type { Redact } from '../report/redact.js';
import { defaultText, isNothing, keyedRows, meaningOf, typedOf, type KeyedRow } from '../settings/rows.js';
import type { RunSettings } from '../settings/run-settings.js';
import { commandLine } from './command-line.js';
import type { Hook } from './hooks.js';
import { runOptions } from './options.js';

/** Of a run, and no settings of it. */
export interface Beside {
  readonly hook?: readonly Hook[] | undefined;
  readonly metricsPort?: number | undefined;
}

/** @param redact masks the passwords in connection strings and commands */
export function givenOptions(settings: RunSettings, beside: Beside, redact: Redact): GivenOption[] {
  const given = [
    ...keyedRows.flatMap((row) => {
      const value = row.read(settings);
      return isDefault(row, value) ? [] : [optionOf(row, value)];
    }),
    ...besides(beside),
  ];
  return given.map((option) => ({
    ...option,
    value: masked(option.value, redact),
    typed: option.typed.map(redact),
  }));
}

function isDefault(row: KeyedRow, value: unknown): boolean {
  if (isNothing(value) || isNothing(row.default)) return isNothing(value) && isNothing(row.default);
  return isDeepStrictEqual(typedOf(row, value), typedOf(row, row.default));
}

function optionOf(row: KeyedRow, value: unknown): GivenOption {
  const typed = typedOf(row, value);
  const { repeats } = row.kind;
  return {
    key: row.key,
    // What is an object to a program was typed as a text.
    value: typeof value !== 'object' ? value : repeats === true ? typed : (typed[0] ?? null),
    typed,
    means: meaningOf(row, value, commandLine),
    default: defaultText(row),
    onlyForCopy: row.countsForNative !== true,
  };
}

function besides({ hook = [], metricsPort }: Beside): GivenOption[] {
  const hooks = hook.map(({ event, command }) => `${event}=${command}`);
  const about = { default: null, onlyForCopy: false };
  return [
    ...(hooks.length === 0
      ? []
      : [{ key: 'hook', value: hooks, typed: hooks, means: runOptions.hook.description, ...about }]),
    ...(metricsPort === undefined
      ? []
      : [
          {
            key: 'metrics-port',
            value: metricsPort,
            typed: [String(metricsPort)],
            means: runOptions.metricsPort.description,
            ...about,
          },
        ]),
  ];
}

function masked(value: unknown, redact: Redact): unknown {
  if (Array.isArray(value)) return value.map((each) => masked(each, redact));
  return typeof value === 'string' ? redact(value) : value;
}
