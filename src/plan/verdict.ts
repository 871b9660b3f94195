/**
 * Native or copy? Pure, from what the trial has shown: a new heap file is a rewrite, a new index file is a build, and a
 * read of the whole (empty) table is a scan. On a large table each of them takes long under its lock.
 */
import type { Refusal } from '../errors.js';
import type { ActionKind, Change, ChangeStatement } from './change/types.js';
import { strongestLock } from './inventory/native-locks.js';
import type { Trial, TrialStep } from './trial/types.js';

export interface Verdict {
  readonly verdict: 'native' | 'copy';
  readonly reasons: readonly Refusal[];
}

export function decide(
  change: Pick<Change, 'statements' | 'set' | 'rewrite'>,
  trial: Pick<Trial, 'start' | 'steps'>,
): Verdict {
  const moments = [trial.start, ...trial.steps];
  const reasons = [
    ...change.statements.flatMap((statement, index) => {
      const [before, after] = [moments[index], moments[index + 1]];
      return before === undefined || after === undefined ? [] : statementReasons(statement, before, after);
    }),
    ...change.set.map(({ column }) => ({
      code: 'set-expression',
      message: `--set ${column}: a new value for every row`,
    })),
    ...(change.rewrite
      ? [{ code: 'rewrite-requested', message: '--rewrite: the table is to be rebuilt' }]
      : []),
  ];
  if (reasons.length > 0) return { verdict: 'copy', reasons };
  return {
    verdict: 'native',
    reasons: change.statements.map((statement) => ({
      code: 'metadata-only',
      message: `${labels(statement)}: changes the catalog only; holds ${strongestLock(statement)} for a moment`,
    })),
  };
}

function statementReasons(statement: ChangeStatement, before: TrialStep, after: TrialStep): Refusal[] {
  const lock = strongestLock(statement);
  if (before.filenode !== after.filenode) {
    return [
      {
        code: 'rewrites-table',
        message: `${labels(statement, rewriting)}: PostgreSQL would write the whole table anew under ${lock}`,
      },
      ...builtIndexes(before, after)
        .filter(({ isNew }) => isNew)
        .map(({ name }) => ({ code: 'builds-index', message: `${labels(statement)}: builds index ${name}` })),
    ];
  }
  const built = builtIndexes(before, after);
  const reasons: Refusal[] = built.map(({ name, isNew }) => ({
    code: isNew ? 'builds-index' : 'rebuilds-index',
    message: `${labels(statement)}: PostgreSQL would ${isNew ? 'build' : 'rebuild'} index ${name} under ${lock}`,
  }));
  // Building an index reads the table once; anything above that is a check of the rows.
  const scans =
    after.scans ?? (statement.actions.some(({ kind }) => scanning.has(kind)) ? built.length + 1 : 0);
  if (scans > built.length) {
    reasons.push({
      code: 'scans-table',
      message: `${labels(statement, scanning)}: PostgreSQL would check every row under ${lock}`,
    });
  }
  return reasons;
}

function builtIndexes(before: TrialStep, after: TrialStep): { name: string; isNew: boolean }[] {
  const files = new Set(before.indexes.map(({ filenode }) => filenode));
  return after.indexes
    .filter(({ filenode }) => !files.has(filenode))
    .map(({ name }) => ({ name, isNew: !before.indexes.some((index) => index.name === name) }));
}

/** Actions that can be the reason, for naming them; the trial has said that one of them is. */
const rewriting: ReadonlySet<ActionKind> = new Set([
  'alter type',
  'add column',
  'set expression',
  'persistence',
  'access method',
  'tablespace',
]);
const scanning: ReadonlySet<ActionKind> = new Set([
  'alter type',
  'add column',
  'set not null',
  'add constraint',
  'alter constraint',
  'validate constraint',
]);

function labels({ actions }: ChangeStatement, kinds: ReadonlySet<ActionKind> | null = null): string {
  const named = actions.filter(({ kind }) => kinds === null || kinds.has(kind));
  return (named.length > 0 ? named : actions).map(({ label }) => label).join(', ');
}
