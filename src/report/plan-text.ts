/** A plan for people: the verdict and its reasons first, then what it means, then what to watch out for. Pure. */
import type { ColumnMapping, Obstacle, Plan, PlannedDependent, PlannedLock } from '../plan/types.js';
import { displayName } from '../sql/quote.js';
import { bytes, count, counted, duration, milliseconds } from './format.js';
import type { Look, Tone } from './paint.js';
import { grid, paragraph, table } from './table.js';

const verdicts: Readonly<Record<Plan['verdict'], { readonly tone: Tone; readonly text: string }>> = {
  native: { tone: 'green', text: 'PostgreSQL changes the table itself, without rewriting it' },
  copy: { tone: 'cyan', text: 'a shadow table with the new shape is built, kept in sync, and swapped in' },
  refused: { tone: 'red', text: 'this change cannot be made; nothing was changed' },
};

/** @returns lines joined by newlines, without one at the end */
export function renderPlan(plan: Plan, look: Look): string {
  const refused = plan.verdict === 'refused';
  const statements = plan.verdict === 'native' ? plan.nativeStatements : [];
  const sections: (readonly [title: string | null, lines: readonly string[]])[] = [
    [null, verdictLines(plan, look)],
    ['Columns', columnLines(plan.columns, look)],
    ['Size', sizeLines(plan)],
    ['Statements', statements.map((statement) => `  ${statement};`)],
    ['Steps', stepLines(plan, look)],
    ['Rehearsal', rehearsalLines(plan)],
    ['In the way now', refused ? [] : obstacleLines(plan.obstacles)],
    ['What depends on it', dependentLines(plan.dependents, look)],
    ['Warnings', plan.warnings.flatMap(({ message }) => item('!', message, look))],
    ['How to go back', refused ? [] : plan.rollback.flatMap((text) => item('-', text, look))],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => (title === null ? lines : [look.paint('bold', title), ...lines]).join('\n'))
    .join('\n\n');
}

function rehearsalLines({ rehearsal }: Plan): string[] {
  if (rehearsal === undefined) return [];
  const { ok, holdMs, attempts, error } = rehearsal;
  return ok && holdMs !== null
    ? [
        `  the whole swap was done with an empty table and taken back: ${milliseconds(holdMs)} under the lock, at try ${attempts}`,
      ]
    : [`  the swap would fail: ${error ?? 'for an unknown reason'}`];
}

function verdictLines(plan: Plan, look: Look): string[] {
  const { tone, text } = verdicts[plan.verdict];
  return [
    `${look.paint('bold', displayName(plan.table))}: ${look.paint(tone, plan.verdict)}, ${text}`,
    ...plan.reasons.flatMap(({ message, hint }) => [
      ...item('-', message, look),
      ...(hint === undefined
        ? []
        : paragraph('    ', hint, look.width).map((line) => look.paint('dim', line))),
    ]),
  ];
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
  return [...grid(changed), ...rest];
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

function sizeLines({ estimates, verdict }: Plan): string[] {
  if (estimates === null) return [];
  const { rows, tableBytes, indexBytes, toastBytes, diskNeededBytes } = estimates;
  const sizes = [
    rows === null ? 'rows not known (never analyzed)' : `about ${counted(rows, 'row')}`,
    `table ${bytes(tableBytes)}`,
    `indexes ${bytes(indexBytes)}`,
    ...(toastBytes > 0 ? [`TOAST ${bytes(toastBytes)}`] : []),
  ];
  return [
    `  ${sizes.join(', ')}`,
    ...(verdict === 'copy'
      ? [`  needs about ${bytes(diskNeededBytes)} of disk while it runs; WAL not counted`]
      : []),
  ];
}

/** One row for each phase: what happens in it, and which locks it takes. */
function stepLines(plan: Plan, look: Look): string[] {
  const phases = [...new Set([...plan.steps, ...plan.locks].map(({ phase }) => phase))];
  if (phases.length === 0) return [];
  const rows = phases.map((phase) => [
    phase,
    plan.steps
      .filter((step) => step.phase === phase)
      .map((step) => step.what)
      .join('\n'),
    plan.locks
      .filter((lock) => lock.phase === phase)
      .map(lockText)
      .join('\n'),
  ]);
  return table(['phase', 'what happens', 'locks'], rows, look);
}

function lockText({ mode, table: name, blocks, duration: howLong, why }: PlannedLock): string {
  const effect = blocks === 'ddl' ? 'blocks other DDL only' : `blocks ${blocks}`;
  return `${mode} on ${name}: ${effect}, ${howLong}; ${why}`;
}

function obstacleLines(obstacles: readonly Obstacle[]): string[] {
  if (obstacles.length === 0)
    return ['  nothing: no session that can be seen holds a lock or an old transaction'];
  return grid(
    obstacles.map(({ pid, backendType, user, application, state, transactionSeconds, lockModes }) => [
      pid === null ? backendType : `pid ${pid}`,
      [user, application].filter((name) => name !== null && name !== '').join(', '),
      state ?? (pid === null || backendType === 'client backend' ? '' : backendType),
      transactionSeconds === null ? '' : `open for ${duration(transactionSeconds)}`,
      lockModes.length > 0 ? `holds ${lockModes.join(', ')}` : 'old transaction, no lock on the table',
    ]),
  );
}

const treatments = [
  ['refused', 'red', 'refused'],
  ['recreated', 'yellow', 'recreated in the swap'],
  ['carried', 'green', 'carried'],
] as const;

function dependentLines(dependents: readonly PlannedDependent[], look: Look): string[] {
  return treatments.flatMap(([treatment, tone, title]) => {
    const these = dependents.filter((dependent) => dependent.treatment === treatment);
    if (these.length === 0) return [];
    return [`  ${look.paint(tone, title)} (${count(these.length)})`, ...groupLines(these, look)];
  });
}

/** Those that are treated alike share a line: a table with 40 indexes is an inventory, not 40 messages. */
function groupLines(dependents: readonly PlannedDependent[], { paint, width }: Look): string[] {
  const groups = new Map<string, PlannedDependent[]>();
  for (const dependent of dependents) {
    const group = `${dependent.kind}: ${dependent.why}`;
    groups.set(group, [...(groups.get(group) ?? []), dependent]);
  }
  const margin = Math.max(...dependents.map(({ kind }) => kind.length)) + 6;
  return [...groups.values()].flatMap((group) => {
    const [{ kind, why } = { kind: '', why: '' }] = group;
    return [
      ...paragraph(`    ${kind}`.padEnd(margin), group.map(({ name }) => name).join(', '), width),
      ...paragraph(' '.repeat(margin), why, width).map((line) => paint('dim', line)),
    ];
  });
}
