/** Migrations for people: a table of all, everything about one, or what its locks have cost. Pure. */
import { advice, doing, inWords } from '../advice.js';
import { summarizeLedger } from '../locks/ledger.js';
import { isEnded, isSwapped, phaseTable } from '../model/phase.js';
import type { Leftover } from '../api/leftovers.js';
import type { IdsLeft, MigrationStatus } from '../api/status.js';
import { commandText } from './command-line.js';
import type { ChangeRequest } from '../model/change-request.js';
import { bytes, count, counted, duration, milliseconds, roughDuration } from '../report/format.js';
import type { Look } from '../report/paint.js';
import { grid } from '../report/text-layout.js';

export function statusTable(migrations: readonly MigrationStatus[], { paint }: Look): string[] {
  if (migrations.length === 0) return ['no migrations in this database'];
  const rows = migrations.map(({ id, table, renamedTo, phase, percent, backlog, runnerPid, error, next }) => [
    String(id),
    renamedTo === null ? table : `${table}, now ${renamedTo}`,
    phase,
    `${percent} %`,
    count(backlog),
    runnerText({ phase, runnerPid, error }),
    inWords(next),
  ]);
  const [head = '', ...lines] = grid([['id', 'table', 'phase', 'copied', 'backlog', 'run', 'next'], ...rows]);
  return [paint('dim', head), ...lines];
}

/** What is there of migrations that the table of them does not have. */
export function leftoverLines(leftovers: readonly Leftover[], { paint }: Look): string[] {
  return leftovers.map(
    ({ id, things, next }) =>
      `${paint('yellow', `left behind by migration ${id}`)}: ${things.join(', ')}; ${inWords(next)}`,
  );
}

export function statusDetails(migration: MigrationStatus, { paint }: Look): string[] {
  const { id, table, phase, percent, rowsCopied, backlog, shadow, kept, throttledBy, request } = migration;
  // What the user did is told as the state of the run; what to do about it is in `next`.
  const error = migration.error?.code === 'interrupted' ? null : migration.error;
  const facts: (readonly [string, string | null])[] = [
    ['change', requestText(request)],
    ['copied', `${percent} %, ${count(rowsCopied)} rows`],
    ['backlog', count(backlog)],
    ['capture', migration.capture],
    ['slot', slotText(migration.slot)],
    ['warning', slotWarning(migration)],
    ['renamed to', migration.renamedTo],
    ['origin', originText(migration.origin)],
    ['shadow', shadow],
    ['kept table', kept],
    ['window', windowText(migration)],
    ...(migration.window?.ids ?? []).map((ids): readonly [string, string] => [
      'ids',
      idsText(ids, migration),
    ]),
    ['run', runnerText(migration)],
    ['verified', verifiedText(migration.verification)],
    ['throttled', throttledBy],
    ['error', error === null ? null : `${error.message} (${error.code})`],
    ['hint', error?.hint == null ? null : inWords(error.hint)],
    ['created', migration.createdAt],
    ['updated', migration.updatedAt],
    ['next', inWords(migration.next)],
  ];
  const shown = facts.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  return [
    `${paint('bold', `migration ${id}`)}  ${table}  ${paint('cyan', phase)}${migration.paused ? ' (paused)' : ''}`,
    // Continuation lines of an error stand below its first.
    ...shown.map(
      ([name, value]) =>
        `  ${paint('dim', name.padEnd(10))} ${value.replaceAll('\n', `\n${' '.repeat(13)}`)}`,
    ),
  ];
}

function slotText(slot: MigrationStatus['slot']): string | null {
  if (slot === null) return null;
  const { name, walStatus, invalidationReason, retainedBytes, unreadBytes, safeBytes } = slot;
  return [
    name,
    ...(walStatus === null
      ? []
      : [invalidationReason === null ? walStatus : `${walStatus} (${invalidationReason})`]),
    ...(retainedBytes === null ? [] : [`keeps ${bytes(retainedBytes)} of WAL`]),
    ...(unreadBytes === null ? [] : [`${bytes(unreadBytes)} not read`]),
    ...(safeBytes === null || safeBytes < 0
      ? []
      : [`${bytes(safeBytes)} more before the server may give it up`]),
  ].join(', ');
}

/** What to do about it; a slot that is gone is none that can be asked. */
function slotWarning({ id, slot, capture, phase }: MigrationStatus): string | null {
  const repair = commandText(
    advice`the run, or ${doing('resume', id)}, makes a new one, and compares all rows or copies again`,
  );
  if (slot === null) {
    const isMissing = capture === 'logical' && phaseTable[phase].beside === 'shadow';
    return isMissing ? `its slot is gone: ${repair}` : null;
  }
  const release = commandText(advice`${doing('abort', id)} releases it`);
  switch (slot.concern) {
    case 'elsewhere':
      return `the slot is that of database ${slot.database}, and stays whatever is done here`;
    case 'lost':
      return `the server has given the slot up: ${repair}`;
    case 'unreserved':
      return `the server gives the slot up with its next checkpoint, unless it is read; ${release}`;
    case 'left':
      return commandText(
        advice`nobody needs the slot any more: ${doing(isSwapped(phase) ? 'finalize' : 'abort', id)} removes it`,
      );
    case 'much':
      return `the server keeps much WAL for the slot; ${release}`;
    case 'unread':
      return `nobody reads the slot: the server keeps all WAL from now on; ${release}`;
    case null:
      return null;
  }
}

function windowText({ window, kept, backlog, id }: MigrationStatus): string | null {
  if (window === null) return null;
  const command = window.to === 'back' ? 'rollback' : 'rollforward';
  const table = kept ?? 'the table that is kept';
  const isOne = backlog === 1;
  const behind =
    backlog === 0
      ? `${table} has everything that was written since`
      : `about ${counted(backlog, 'key')} written since ${isOne ? 'is' : 'are'} not in ${table} yet: pg-ghost sync ${id} brings ${isOne ? 'it' : 'them'}, and so does ${command}`;
  return `${command} since ${window.since}; ${behind}`;
}

function idsText(
  { column, last, limit, remaining, isNear, secondsLeft }: IdsLeft,
  { kept }: MigrationStatus,
): string {
  const near = isNear ? 'more than 80 % are used: ' : '';
  const long = secondsLeft === null ? '' : `, about ${roughDuration(secondsLeft)} at the rate since the swap`;
  return `${near}${column} is at ${whole(last)} of ${whole(limit)}; ${kept ?? 'the table that is kept'} has room for ${whole(remaining)} more${long}`;
}

function whole(bigint: string): string {
  return BigInt(bigint).toLocaleString('en-US');
}

function originText(origin: MigrationStatus['origin']): string | null {
  switch (origin) {
    case 'here':
      return null;
    case 'copied':
      return 'another database, of which this one is a copy';
    case 'restored':
      return 'another database, by a dump that was restored here';
  }
}

/** The lock ledger: one line for each relation in each try. */
export function lockLines(locks: MigrationStatus['locks'], { paint }: Look): string[] {
  if (locks.length === 0) return ['no lock on a table was taken yet'];
  const rows = locks.map((lock) => [
    lock.at,
    lock.attempt === 1 ? lock.what : `${lock.what}, try ${lock.attempt}`,
    lock.table,
    lock.mode,
    milliseconds(lock.waitedMs),
    heldText(lock),
    count(lock.blocked),
    // Of all who were blocked together.
    duration(lock.blockedMs / 1000),
  ]);
  const [head = '', ...lines] = grid([
    ['at', 'what', 'table', 'mode', 'waited', 'held', 'blocked', 'cost'],
    ...rows,
  ]);
  return [paint('dim', head), ...lines, summarizeLedger(locks).sentence];
}

function heldText({ outcome, heldMs }: MigrationStatus['locks'][number]): string {
  if (outcome === 'missed') return 'missed';
  return `${milliseconds(heldMs)}${outcome === 'rolled back' ? ', rolled back' : ''}`;
}

export function runnerText({
  phase,
  runnerPid,
  error,
}: Pick<MigrationStatus, 'phase' | 'runnerPid' | 'error'>): string {
  if (runnerPid !== null) return `backend ${runnerPid}`;
  if (isEnded(phase)) return 'ended';
  return error === null || error.code === 'interrupted' ? 'stopped' : 'failed';
}

function verifiedText(verification: MigrationStatus['verification']): string | null {
  if (verification === null) return null;
  const { mode, rows, differences, at } = verification;
  if (mode === 'off') return `no (--verify off), ${at}`;
  const what = mode === 'sample' ? 'a sample, ' : '';
  return `${what}${count(rows)} rows, ${differences === 0 ? 'no difference' : `${count(differences)} differences`}, ${at}`;
}

/** As options of `run`, with the statements of a file in one line. */
function requestText({ alter, statements, set, reverse, rewrite }: ChangeRequest): string {
  return [
    ...alter.map((actions) => `--alter ${JSON.stringify(actions)}`),
    ...statements.map((text) => text.trim().replaceAll(/\s+/g, ' ')),
    ...set.map(({ column, expression }) => `--set ${JSON.stringify(`${column}=${expression}`)}`),
    ...(reverse ?? []).map(
      ({ column, expression }) => `--reverse ${JSON.stringify(`${column}=${expression}`)}`,
    ),
    ...(rewrite ? ['--rewrite'] : []),
  ].join(' ');
}
