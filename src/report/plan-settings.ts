/** The settings that a plan was asked for with, where they are not as by default. Pure. */
import type { Plan } from '../model/plan.js';

/** One option as it was given. */
export interface GivenOption {
  /** Without its dashes. */
  readonly key: string;
  /** As a script takes it: ms, bytes, a text, a list of texts. */
  readonly value: unknown;
  /** As it is typed, one for each time; none for a switch. */
  readonly typed: readonly string[];
  readonly means: string;
  /** What it is when it is not given; null: nothing. */
  readonly default: string | null;
  /** Nothing comes of it when PostgreSQL makes the change itself. */
  readonly onlyForCopy: boolean;
}

export function settingTexts(options: readonly GivenOption[], { verdict }: Plan): string[] {
  return options.map(({ key, typed, means, default: byDefault, onlyForCopy }) => {
    const given = typed.length === 0 ? `--${key}` : typed.map((each) => `--${key} ${each}`).join(' ');
    const otherwise = byDefault === null ? '' : `; ${byDefault} by default`;
    const idle = verdict === 'native' && onlyForCopy ? '; nothing comes of it, as nothing is copied' : '';
    return `${given}: ${means}${otherwise}${idle}`;
  });
}

/** By the names of the options, as `set` and `status` have them. */
export function settingsObject(options: readonly GivenOption[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(options.map(({ key, value }) => [key, value]));
}
