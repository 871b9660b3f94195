/** The table of settings, and all that must say the same: --help, docs/cli.md, `set`, and what a program may give. */
import { commandLine } from '../../src/cli/command-line.js';
import { readFileSync } from 'node:fs';
import type { Option } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import { planCommand } from '../../src/cli/commands/plan.js';
import { runCommand } from '../../src/cli/commands/run.js';
import { rollbackCommand, rollforwardCommand, syncCommand } from '../../src/cli/commands/turn.js';
import { verifyCommand } from '../../src/cli/commands/verify.js';
import type { Invocation } from '../../src/cli/invocation.js';
import { settingOptions, settingsOf } from '../../src/cli/setting-options.js';
import { settingsFrom } from '../../src/settings/given.js';
import { defaultText, helpOf, isNothing, keyedRows, rows, type KeyedRow } from '../../src/settings/rows.js';
import { applySetting, checkSetting, currentSettings, settableKeys } from '../../src/settings/settable.js';
import { defaultRunSettings } from '../../src/settings/table.js';
import type { RunSettings } from '../../src/settings/run-settings.js';
import { measuredSignals } from '../../src/throttle/limits.js';
import { invoke } from '../cli/invoke.js';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const commands = [
  planCommand,
  runCommand,
  verifyCommand,
  rollbackCommand,
  rollforwardCommand,
  syncCommand,
].map((create) => create({} as Invocation));

const flagsOf = ({ key, kind }: KeyedRow): string =>
  kind.placeholder === null ? `--${key}` : `--${key} <${kind.placeholder}>`;

/** The line of docs/cli.md that a row asks for. */
function documented(row: KeyedRow): string {
  const flags = flagsOf(row);
  const takers = commands.filter(({ options }) => options.some((option) => option.flags === flags));
  // Names are set as code in the docs.
  const meaning = Object.keys(row.kind.choices ?? {}).reduce(
    (text, name) => text.replace(` ${name}: `, ` \`${name}\`: `),
    helpOf(row, commandLine),
  );
  return `| \`${flags}\` | ${takers.map((command) => command.name()).join(', ')} | ${defaultText(row) ?? ''} | ${meaning}${row.more ?? ''} |`;
}

describe('one table', () => {
  test('keys and fields are there once', () => {
    for (const names of [keyedRows.map(({ key }) => key), rows.map(({ field }) => field)])
      expect(new Set(names).size).toBe(names.length);
  });

  test('docs/cli.md has the line of every setting, in its table, and no other', () => {
    const sections = { run: '### The run\n', cost: '### What it may cost\n', swap: '### The swap\n' };
    for (const [part, title] of Object.entries(sections)) {
      const section = page.split(title)[1]?.split(/^##/m)[0] ?? '';
      const lines = section
        .split('\n')
        .filter((line) => keyedRows.some((row) => line.startsWith(`| \`${flagsOf(row)}\``)));
      expect(lines).toEqual(keyedRows.filter((row) => row.part === part).map(documented));
    }
  });

  test('--no-rollback-window is a switch like the others, though commander has its opposite', () => {
    expect(settingsOf({ rollbackWindow: false }, {}).withoutRollbackWindow).toBe(true);
    // What commander says when it was not given.
    expect(settingsOf({ rollbackWindow: true }, {}).withoutRollbackWindow).toBe(false);
    expect(settingsOf({}, {}).withoutRollbackWindow).toBe(false);
  });

  test('plan and run take all of them, with their defaults and ranges; verify two', () => {
    const known = keyedRows.map((row) => [flagsOf(row), helpOf(row, commandLine), defaultText(row)]);
    const flags = new Set(known.map(([each]) => each));
    const taken = (options: readonly Option[]) =>
      options
        .filter((option) => flags.has(option.flags))
        .map((option) => {
          const shown = option.defaultValueDescription ?? option.defaultValue;
          return [option.flags, option.description, shown === undefined ? null : String(shown)];
        });
    const [plan, run, verify] = commands;
    expect(taken(plan?.options ?? [])).toEqual(known);
    expect(taken(run?.options ?? [])).toEqual(known);
    expect(taken(verify?.options ?? []).map(([each]) => each)).toEqual([
      '--workers <N>',
      '--chunk-time <MS>',
    ]);
  });

  test('plan --help shows what run --help shows, and its own two', async () => {
    const optionsOf = async (name: string): Promise<string[]> =>
      [...(await invoke([name, '--help'])).stdout.text.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(
        ([, flag = '']) => flag,
      );
    const run = await optionsOf('run');
    const plan = await optionsOf('plan');
    expect(run).toEqual(expect.arrayContaining(keyedRows.map(({ key }) => `--${key}`)));
    expect(plan.filter((flag) => !run.includes(flag))).toEqual(['--rehearse', '--verbose']);
    expect(run.filter((flag) => !plan.includes(flag))).toEqual([]);
  });

  test('docs/cli.md names the keys of set', () => {
    const section = page.split('\n## pg-ghost set\n')[1]?.split('\n## ')[0] ?? '';
    const sentence = /^Keys: ([^.]*)\./m.exec(section)?.[1] ?? '';
    expect([...sentence.matchAll(/`([^`]+)`/g)].map(([, key]) => key)).toEqual(settableKeys);
  });

  test('set changes what is measured, and what bounds a run', () => {
    const limits = keyedRows.filter(({ field }) => field.startsWith('limits.')).map(({ key }) => key);
    expect(settableKeys).toEqual(
      ['workers', 'chunk-time', 'lock-timeout', 'max-hold', 'cutover-deadline'].concat(limits),
    );
    expect(Object.keys(currentSettings(defaultRunSettings))).toEqual(settableKeys);
  });

  test('each measured signal has its two limits under its name', () => {
    const limits = new Map(keyedRows.map(({ field, key }) => [field, key]));
    for (const { max, critical, option } of Object.values(measuredSignals)) {
      expect(limits.get(`limits.${max}`)).toBe(`max-${option}`);
      expect(limits.get(`limits.${critical}`)).toBe(`critical-${option}`);
    }
  });

  test('the defaults are as they were told', () => {
    expect(defaultRunSettings).toEqual({
      workers: 2,
      capture: 'triggers',
      failoverSlot: false,
      chunkTimeMs: 500,
      lockTimeoutMs: 1000,
      maxHoldMs: 500,
      cutoverDeadlineMs: 600_000,
      native: 'auto',
      retryForMs: 600_000,
      verify: 'full',
      oldSnapshot: 'wait',
      limits: {},
      replicas: [],
      postponeCutover: false,
      cutoverWindow: null,
      reverifyEveryMs: 3_600_000,
      oldTransactionMs: 5_000,
      harmPerTryMs: 1_000,
      harmPerRunMs: 30_000,
      killBlockersAfterMs: null,
      withoutRollbackWindow: false,
      rehearse: false,
    });
    expect(rows.filter((row) => !isNothing(row.default) && !row.kind.accepts(row.default))).toEqual([]);
  });
});

/** As the command line reads it: null where it is refused. */
function typed(key: string, text: string): RunSettings | null {
  const [option] = settingOptions([key]);
  if (option?.parseArg === undefined) throw new Error(`--${key} takes no value`);
  try {
    const value: unknown = option.parseArg(text, undefined as never);
    return settingsOf({ [option.attributeName()]: value }, {});
  } catch {
    return null;
  }
}

function steered(key: string, text: string): RunSettings | null {
  try {
    return applySetting(defaultRunSettings, key, text);
  } catch {
    return null;
  }
}

const texts =
  '0,1,9,10,64,65,100,101,0.5,1e3,-1,60000,60001,86400001,999999999999999,1000000000000000,1000000000000001'
    .concat(',500ms,1s,10m,8d,1h 10foo,x,, ,select 1,select 1; select 2,delete from t,/tmp/pause')
    .split(',');

describe('one way of reading', () => {
  const withValue = keyedRows.filter(
    ({ key, kind }) => settableKeys.includes(key) && kind.placeholder !== null,
  );

  test.each(withValue.map(({ key }) => key))('set reads %s as the command line does', (key) => {
    for (const text of texts) expect([text, steered(key, text)]).toEqual([text, typed(key, text)]);
  });

  test.each(withValue.map(({ key }) => key))('a program may give as %s what people may', (key) => {
    const read = texts.flatMap((text) => typed(key, text) ?? []);
    expect(read.length).toBeGreaterThan(0);
    for (const settings of read) expect(settingsFrom(settings)).toEqual(settings);
  });

  const numeric = withValue.filter(({ kind }) =>
    ['N', 'MS', 'BYTES', 'RATIO'].includes(kind.placeholder ?? ''),
  );

  test.each(numeric.map((row) => [row.key, row] as const))('and nothing else as %s', (key, row) => {
    for (const number of texts
      .filter((text) => text.trim() !== '')
      .map(Number)
      .filter(Number.isFinite)) {
      const given = (): RunSettings => settingsFrom(row.write(defaultRunSettings, number));
      if (typed(key, String(number)) === null) expect(given, String(number)).toThrow('it takes');
      else expect(row.read(given())).toBe(number);
    }
  });

  test('off takes away what is off by default, and nothing else', () => {
    const on = applySetting(defaultRunSettings, 'max-lag', '5000');
    expect(on.limits.maxLagMs).toBe(5000);
    expect(applySetting(on, 'max-lag', 'off').limits.maxLagMs).toBeNull();
    expect(applySetting(defaultRunSettings, 'pause-on-autovacuum', 'on').limits.pauseOnAutovacuum).toBe(true);
    expect(() => checkSetting('workers', 'off')).toThrow('workers=off: it takes a whole number from 1 to 64');
    expect(() => checkSetting('max-lag', 'x')).toThrow(
      'max-lag=x: it takes a whole number from 0 to 86400000, or off',
    );
  });

  test.each(['verify', 'native', 'max-harm', 'replica', 'postpone-cutover', 'wrokers', 'toString'])(
    'a run under way does not take %s',
    (key) => {
      expect(() => checkSetting(key, '1')).toThrow(`${key} cannot be set while a migration runs`);
    },
  );
});

describe('what a program gives', () => {
  test('what is left out is as by default', () => {
    expect(settingsFrom()).toEqual(defaultRunSettings);
    expect(settingsFrom({ workers: undefined, maxHoldMs: 9 } as object)).toEqual({
      ...defaultRunSettings,
      maxHoldMs: 9,
    });
    const limits = { maxLagMs: 5, criticalLagMs: null, pauseOnAutovacuum: false };
    expect(settingsFrom({ limits }).limits).toEqual(limits);
  });

  test.each<[object, string]>([
    [{ workers: 0 }, 'workers is 0: it takes a whole number from 1 to 64'],
    [{ workers: '4' }, 'workers is "4": it takes a whole number from 1 to 64'],
    [{ workers: null }, 'workers is null: it takes a whole number from 1 to 64'],
    [{ chunkTimeMs: 9 }, 'chunkTimeMs is 9: it takes a whole number from 10 to 60000'],
    [{ cutoverDeadlineMs: 10 }, 'cutoverDeadlineMs is 10: it takes a duration with its unit from 1s to 7d'],
    [{ verify: 'half' }, 'verify is "half": it takes one of full, sample, off'],
    [{ limits: { niceRatio: 101 } }, 'limits.niceRatio is 101: it takes a number from 0 to 100'],
    [{ limits: { maxLag: 5 } }, 'there is no setting limits.maxLag'],
    [{ wrokers: 2 }, 'there is no setting wrokers'],
    [{ limits: { throttleQuery: 'select 1; commit' } }, 'not one query: select 1; commit'],
  ])('%j is refused', (given, message) => {
    expect(() => settingsFrom(given)).toThrow(message);
  });
});
