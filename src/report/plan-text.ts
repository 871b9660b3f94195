/** A plan for people: the verdict and its reasons first, then what it means, then what to watch out for. Pure. */
import { inWords, said, words, type SayAction } from '../advice.js';
import { fewNames, listsThem } from '../sql/few-names.js';
import { isPrepared, type Blocker } from '../model/blocker.js';
import type { ColumnMapping } from '../model/column-mapping.js';
import type { Plan, Verdict } from '../model/plan.js';
import { displayName } from '../sql/quote.js';
import { bytes, count, counted, duration, milliseconds } from './format.js';
import type { Look, Tone } from './paint.js';
import { allLocks, groupedLocks } from './plan-locks.js';
import { settingTexts, type GivenOption } from './plan-settings.js';
import type { PlanDependent } from './plan/dependents.js';
import { describePlan, foundIn, type PlanDescription } from './plan/describe-plan.js';
import { takeOffText } from './plan/steps.js';
import { grid, paragraph } from './text-layout.js';
import { textWidth } from './text-width.js';

const verdicts: Readonly<Record<Verdict, { readonly tone: Tone; readonly text: string }>> = {
  native: { tone: 'green', text: 'PostgreSQL changes the table itself, without rewriting it' },
  copy: { tone: 'cyan', text: 'a shadow table with the new shape is built, kept in sync, and swapped in' },
  refused: { tone: 'red', text: 'this change cannot be made; nothing was changed' },
};

export interface PlanTextOptions {
  /** Everything by its name, and a refused plan with all that was found out. */
  readonly verbose?: boolean;
  /** Options that are not as by default. */
  readonly given?: readonly GivenOption[];
  readonly say?: SayAction;
}

/** @returns lines joined by newlines, without one at the end */
export function renderPlan(
  plan: Plan,
  look: Look,
  { verbose = false, given = [], say = words }: PlanTextOptions = {},
): string {
  const refused = plan.verdict === 'refused';
  // Nothing of what is refused happens: whoever reads it wants to know why.
  const whole = verbose || !refused;
  const { dependents, warnings, endsTheRun, rollback, ...told } = describePlan(plan);
  const sections: (readonly [title: string | null, lines: readonly string[]])[] = [
    [null, verdictLines(plan, look)],
    ['Columns', whole ? columnLines(foundIn(plan)?.columns ?? [], look) : []],
    ['Size', sizeLines(plan, look)],
    ['Settings', whole ? settingTexts(given, plan).flatMap((text) => item('-', text, look)) : []],
    ['Statements', statementLines(plan, told, look, verbose)],
    ['Steps', refused ? [] : stepLines(plan, told, look, verbose)],
    ['Rehearsal', rehearsalLines(plan, look)],
    ['In the way now', refused ? [] : obstacleLines(plan.obstacles, look, verbose)],
    ['What depends on it', whole ? dependentLines(dependents, plan, look, verbose) : []],
    ['Warnings', warnings.flatMap((warning) => item('!', warningText(warning, verbose), look))],
    ['What ends the run', refused ? [] : endsTheRun.flatMap((text) => item('-', text, look))],
    ['How to go back', refused || rollback === null ? [] : item('-', said(rollback.message, say), look)],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => (title === null ? lines : [look.paint('bold', title), ...lines]).join('\n'))
    .join('\n\n');
}

function warningText({ message, brief }: PlanDescription['warnings'][number], verbose: boolean): string {
  return verbose ? message : (brief ?? message);
}

function rehearsalLines(plan: Plan, { width }: Look): string[] {
  if (plan.verdict !== 'copy' || plan.rehearsal === undefined) return [];
  const { rehearsal } = plan;
  const { ok, holdMs, attempts, error } = rehearsal;
  const text =
    ok && holdMs !== null
      ? `the whole swap was done with an empty table and taken back: ${milliseconds(holdMs)} under the lock, at try ${attempts}`
      : `the swap would fail: ${error ?? 'for an unknown reason'}`;
  return paragraph('  ', text, width);
}

function verdictLines(plan: Plan, look: Look): string[] {
  const { tone, text } = verdicts[plan.verdict];
  return [
    ...paragraph('', `${displayName(plan.table)}: ${plan.verdict}, ${text}`, look.width).map((line, index) =>
      index === 0 ? paintVerdict(line, plan, tone, look) : line,
    ),
    ...plan.reasons.flatMap(({ message, hint }, index) => [
      ...item('-', message, look),
      // Ten views that are refused for one reason have one way out, which is told below the last of them.
      ...(hint === undefined || isSaidBelow(plan, index)
        ? []
        : paragraph('    ', inWords(hint), look.width).map((line) => look.paint('dim', line))),
    ]),
  ];
}

function isSaidBelow({ reasons }: Plan, index: number): boolean {
  const [hint, next] = [reasons[index]?.hint, reasons[index + 1]?.hint];
  return hint !== undefined && next !== undefined && inWords(hint) === inWords(next);
}

function paintVerdict(line: string, { table, verdict }: Plan, tone: Tone, { paint }: Look): string {
  const name = displayName(table);
  const head = `${name}: ${verdict}`;
  return line.startsWith(head)
    ? `${paint('bold', name)}: ${paint(tone, verdict)}${line.slice(head.length)}`
    : line;
}

function item(mark: string, text: string, { paint, width }: Look): string[] {
  const [first = '', ...rest] = paragraph(`  ${mark} `, text, width);
  return [mark === '!' ? first.replace(mark, paint('yellow', mark)) : first, ...rest];
}

function columnLines(columns: readonly ColumnMapping[], look: Look): string[] {
  const unchanged = columns.filter(isUnchanged).length;
  const changed = columns.filter((column) => !isUnchanged(column)).map((column) => columnCells(column, look));
  const rest = unchanged === 0 ? [] : [`  ${counted(unchanged, 'column')} unchanged`];
  // A list of nothing but unchanged columns (--rewrite) is told by the verdict.
  return [...grid(changed, look.width), ...rest];
}

function isUnchanged({ how, source, target, sourceType, targetType }: ColumnMapping): boolean {
  return (how === 'copied' || how === 'generated') && source === target && sourceType === targetType;
}

function columnCells(column: ColumnMapping, { symbols: { arrow } }: Look): string[] {
  const { source, target, sourceType, targetType, how, expression } = column;
  const both = (from: string | null, to: string | null): string =>
    from === null || to === null || from === to ? (to ?? from ?? '') : `${from} ${arrow} ${to}`;
  return [both(source, target), both(sourceType, targetType), howText(how, source === null, expression)];
}

function howText(how: ColumnMapping['how'], isNew: boolean, expression: string | null): string {
  if (isNew && how === 'default') return expression === null ? 'added' : `added, default ${expression}`;
  return expression === null ? how : `${how}: ${expression}`;
}

function sizeLines({ estimates, verdict }: Plan, { width }: Look): string[] {
  if (estimates === null) return [];
  const { rows, tableBytes, indexBytes, toastBytes, diskNeededBytes } = estimates;
  const sizes = [
    rows === null ? 'rows not known (never analyzed)' : `about ${counted(rows, 'row')}`,
    `table ${bytes(tableBytes)}`,
    `indexes ${bytes(indexBytes)}`,
    ...(toastBytes > 0 ? [`TOAST ${bytes(toastBytes)}`] : []),
  ];
  return [
    ...paragraph('  ', sizes.join(', '), width),
    ...(verdict === 'copy'
      ? paragraph('  ', `needs about ${bytes(diskNeededBytes)} of disk while it runs; WAL not counted`, width)
      : []),
  ];
}

/** What is taken off and put back around the user's statements is told as comments, unless all of it is wanted. */
function statementLines(
  plan: Plan,
  { nativeStatements }: Pick<PlanDescription, 'nativeStatements'>,
  { width }: Look,
  verbose: boolean,
): string[] {
  if (plan.verdict !== 'native') return [];
  const { around } = plan;
  // Two statements are told in full as shortly.
  const isLong = around !== null && around.takeOff.length + around.putBack.length > 2;
  const statements =
    isLong && !verbose
      ? [
          `-- ${briefOf(takeOffText(around))}`,
          ...plan.statements.map((statement) => `${statement};`),
          '-- put that back as it was',
        ]
      : nativeStatements.map((statement) => `${statement};`);
  return statements.flatMap((statement) => paragraph('  ', statement, width, '  '));
}

function briefOf({ full, brief = full }: { readonly full: string; readonly brief?: string }): string {
  return brief;
}

/** For each phase what happens in it, and below that which locks it takes. */
function stepLines(
  { verdict }: Plan,
  told: Pick<PlanDescription, 'steps' | 'locks'>,
  { width, paint }: Look,
  verbose: boolean,
): string[] {
  const phases = [...new Set([...told.steps, ...told.locks].map(({ phase }) => phase))];
  const indent = Math.max(0, ...phases.map((phase) => phase.length)) + 4;
  return phases.flatMap((phase) => {
    // The statements of a native change are listed already.
    const steps = verdict === 'native' ? [] : told.steps.filter((step) => step.phase === phase);
    const locks = told.locks.filter((lock) => lock.phase === phase);
    const margin = ' '.repeat(indent);
    const lines = [
      ...steps.flatMap(({ what, brief }) => paragraph(margin, verbose ? what : (brief ?? what), width)),
      ...(verbose ? allLocks : groupedLocks)(locks, margin, width).map((line) => paint('dim', line)),
    ];
    const label = `  ${phase}`;
    return lines.map((line, index) => (index === 0 ? line.replace(margin, label.padEnd(indent)) : line));
  });
}

/** More sessions than this are counted. */
const obstaclesShown = 20;

function obstacleLines(obstacles: readonly Blocker[], { width }: Look, verbose: boolean): string[] {
  if (obstacles.length === 0) {
    return paragraph('  ', 'nothing: no session that can be seen holds a lock or an old transaction', width);
  }
  const shown = verbose ? obstacles : obstacles.slice(0, obstaclesShown);
  const more = obstacles.length - shown.length;
  return [
    ...grid(shown.map(obstacleCells), width),
    ...(more === 0 ? [] : [`  and ${counted(more, 'session')} more; ${listsThem}`]),
  ];
}

function obstacleCells(obstacle: Blocker): string[] {
  const { pid, backendType, user, application, state, transactionSeconds, lockModes } = obstacle;
  const isProcess = !isPrepared(obstacle);
  return [
    isProcess ? `pid ${pid}` : backendType,
    [user, application].filter((name) => name !== null && name !== '').join(', '),
    state ?? (!isProcess || backendType === 'client backend' ? '' : backendType),
    transactionSeconds === null ? '' : `open for ${duration(transactionSeconds)}`,
    lockModes.length > 0 ? `holds ${lockModes.join(', ')}` : 'old transaction, no lock on the table',
  ];
}

const treatments = [
  ['refused', 'red', 'refused'],
  ['recreated', 'yellow', 'recreated in the swap'],
  ['carried', 'green', 'carried'],
] as const;

function dependentLines(
  dependents: readonly PlanDependent[],
  { verdict }: Plan,
  look: Look,
  verbose: boolean,
): string[] {
  return treatments.flatMap(([treatment, tone, title]) => {
    const these = dependents.filter((dependent) => dependent.treatment === treatment);
    if (these.length === 0) return [];
    const told = treatment === 'recreated' && verdict === 'native' ? 'made again' : title;
    return [`  ${look.paint(tone, told)} (${count(these.length)})`, ...groupLines(these, look, verbose)];
  });
}

/** Those that are treated alike share a line: a table with 40 indexes is an inventory, not 40 messages. */
function groupLines(
  dependents: readonly PlanDependent[],
  { paint, width }: Look,
  verbose: boolean,
): string[] {
  const groups = new Map<string, PlanDependent[]>();
  for (const dependent of dependents) {
    const key = `${dependent.kind}: ${dependent.why}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [dependent]);
    else group.push(dependent);
  }
  const margin = dependents.reduce((widest, { kind }) => Math.max(widest, textWidth(kind)), 0) + 6;
  return [...groups.values()].flatMap((group) => {
    const [{ kind, why } = { kind: '', why: '' }] = group;
    const names = group.map(({ name }) => name);
    return [
      ...paragraph(`    ${kind}`.padEnd(margin), verbose ? names.join(', ') : fewNames(names), width),
      ...paragraph(' '.repeat(margin), why, width).map((line) => paint('dim', line)),
    ];
  });
}
