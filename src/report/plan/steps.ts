/** What would happen, in order, phase by phase, for people. */
import { captureModes } from '../../model/capture-mode.js';
import { toValidate, type TakenOff, type TargetDefinitions } from '../../model/definitions.js';
import type { CopyFacts, NativeFacts } from '../../model/plan.js';
import type { Key } from '../../model/key.js';
import type { QualifiedName } from '../../model/name.js';
import { foreignKeyName, namedObjects } from '../../sql/definition-names.js';
import { displayName } from '../../sql/quote.js';
import { told, type Told } from './told.js';

export interface PlanStep {
  readonly phase: string;
  readonly what: string;
  /** The same with fewer names, where there are many. */
  readonly brief?: string;
}

export const nativePhase = 'native';

export function nativeSteps(
  statements: readonly string[],
  { around }: Pick<NativeFacts, 'around'>,
): PlanStep[] {
  const own = statements.map((what) => ({ phase: nativePhase, what }));
  if (around === null) return own;
  return [
    step(nativePhase, takeOffText(around)),
    ...own,
    { phase: nativePhase, what: 'put that back as it was' },
  ];
}

export function takeOffText({ source }: TakenOff): Told {
  return told(
    namedObjects(source).map(({ name }) => name),
    (listed) => `take off ${listed}`,
  );
}

export function copySteps(
  table: QualifiedName,
  {
    target,
    key,
    definitions,
    capture: mode,
  }: Pick<CopyFacts, 'target' | 'definitions' | 'capture'> & {
    readonly key: Key;
  },
): PlanStep[] {
  const name = displayName(table);
  const capture = captureModes[mode];
  const indexes = target.indexes.map((index) => index.name);
  const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 'es'}`;
  return [
    {
      phase: 'prepare',
      what: `record the migration; build the empty new table; log the keys (${key.columns.map((column) => column.name).join(', ')}) of every write to ${name} ${capture.how}`,
    },
    { phase: 'copy', what: `copy ${name} block by block into the new table, which has no index yet` },
    { phase: 'purge', what: 'delete from the new table what was written to meanwhile, as the log says' },
    step(
      'index',
      told(indexes, (listed) =>
        [`build ${many(indexes.length, 'index')} on the new table`, listed].filter(Boolean).join(': '),
      ),
    ),
    {
      phase: 'catch-up',
      what: `apply the logged keys until little is left${key.needsHelperIndex ? ', by an index of our own on the key' : ''}`,
    },
    { phase: 'settle', what: 'vacuum and analyze the new table' },
    {
      phase: 'verify',
      what: `compare the rows of the new table with ${name}, as the change maps them: every one, unless --verify says otherwise; the log goes on being applied`,
    },
    {
      phase: 'cutover',
      what: `under one short lock: apply the rest, move ${name} to ghost_old_<id>, and the new table to its place, with all that hangs on it`,
    },
    ...afterSwap(definitions.target),
  ];
}

/** What is left to do when the tables are swapped. */
function afterSwap(target: TargetDefinitions): PlanStep[] {
  const keys = toValidate(target).map(foreignKeyName);
  const views = target.views
    .filter(({ materialized, populated }) => materialized && populated)
    .map(({ name }) => displayName(name));
  const what = keys.length === 1 ? 'the foreign key' : `${keys.length} foreign keys:`;
  return [
    ...(keys.length === 0
      ? []
      : [
          step(
            'validate',
            told(keys, (listed) => `validate ${what} ${listed}`),
          ),
        ]),
    ...(views.length === 0
      ? []
      : [
          step(
            'validate',
            told(views, (listed) => `refresh ${listed}`),
          ),
        ]),
  ];
}

function step(phase: string, { full, brief }: Told): PlanStep {
  return { phase, what: full, ...(brief === undefined ? {} : { brief }) };
}
