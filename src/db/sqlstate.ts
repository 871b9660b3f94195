/** SQLSTATEs that we act upon. Errors of the server are told apart by these, never by their message. */
import { FailedError, type PgGhostError } from '../errors.js';
import { describeConnection } from './connection.js';
import type { ConnectionOptions } from './conninfo/connection-options.js';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
export const SqlState = {
  notNullViolation: '23502',
  foreignKeyViolation: '23503',
  uniqueViolation: '23505',
  checkViolation: '23514',
  exclusionViolation: '23P01',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  syntaxError: '42601',
  insufficientPrivilege: '42501',
  undefinedTable: '42P01',
  dependentObjects: '2BP01',
  undefinedColumn: '42703',
  undefinedFunction: '42883',
  undefinedObject: '42704',
  duplicateTable: '42P07',
  duplicateObject: '42710',
  invalidSchemaName: '3F000',
  readOnlyTransaction: '25006',
  lockNotAvailable: '55P03',
  objectInUse: '55006',
  notInPrerequisiteState: '55000',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  idleSessionTimeout: '57P05',
  idleInTransactionTimeout: '25P03',
  tooManyConnections: '53300',
  outOfMemory: '53200',
  raiseException: 'P0001',
} as const;

/** What the server said, as far as we use it. `detail` may hold row values: not for logs. */
export interface ServerError extends Error {
  readonly code: string;
  readonly detail?: string;
  /** CONTEXT: the functions that it came through. */
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

/** The SQLSTATE of an error that came from the server. */
export function sqlState(error: unknown): string | null {
  return isServerError(error) ? error.code : null;
}

export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    'severity' in error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^[0-9A-Z]{5}$/.test(error.code)
  );
}

/**
 * A row that does not fit: class 22 (data exception: a cast that fails, a number out of range) and class 23
 * (NOT NULL, UNIQUE, CHECK, exclusion).
 */
export function isDataError(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && (state.startsWith('22') || state.startsWith('23'));
}

/**
 * It lies in some row, so that it is worth finding out in which: a data error; a limit of the program or of memory that a large
 * value runs into (54, 53200; `invalid memory alloc request size` is XX000, and so is a TOASTed value that is damaged); what a
 * function in the user's own expression raises (P0001, 38, 39).
 */
export function isRowError(error: unknown): error is ServerError {
  const state = sqlState(error);
  return (
    state !== null &&
    (isDataError(error) ||
      state === SqlState.outOfMemory ||
      state === SqlState.raiseException ||
      ['38', '39', '54', 'XX'].includes(state.slice(0, 2)))
  );
}

/** A table, or the schema that it is looked for in, is called something else by now, or is gone. */
export function isUnknownName(error: unknown): boolean {
  const state = sqlState(error);
  return state === SqlState.undefinedTable || state === SqlState.invalidSchemaName;
}

export function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === SqlState.uniqueViolation || state === SqlState.exclusionViolation;
}

const lostStates: ReadonlySet<string> = new Set([
  SqlState.adminShutdown,
  SqlState.crashShutdown,
  SqlState.cannotConnectNow,
  SqlState.idleSessionTimeout,
  SqlState.idleInTransactionTimeout,
]);
const socketCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'ENOENT',
]);

/** The connection is gone or cannot be made; says nothing about whether a statement in flight took effect. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== null) return lostStates.has(state) || state.startsWith('08');
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && socketCodes.has(error.code)) return true;
  // pg has no code for these two; they are its own texts, not the server's.
  return (
    error.message.startsWith('Connection terminated') ||
    error.message === 'Client has encountered a connection error and is not queryable' ||
    error.message === 'Client was closed and is not queryable'
  );
}

/**
 * It may pass by itself: the server is not there, starts, has no free slot, or two transactions met. Looks at what one of
 * our own errors was made from.
 */
export function isTransient(error: unknown): boolean {
  if (isConnectionLost(error) || error instanceof UnsuitableServer) return true;
  if (transientStates.has(sqlState(error) ?? '')) return true;
  return error instanceof FailedError && error.code === 'cannot-connect' && isTransient(error.cause);
}

/** Neither side is to blame, and the same work on a fresh snapshot may well pass. */
export const conflictStates: ReadonlySet<string> = new Set([
  SqlState.serializationFailure,
  SqlState.deadlockDetected,
  SqlState.lockNotAvailable,
]);

const transientStates: ReadonlySet<string> = new Set([
  ...conflictStates,
  SqlState.tooManyConnections,
  SqlState.cannotConnectNow,
]);

/** A host that was asked, and why it did not become the one. */
export interface FailedHost {
  readonly host: string;
  readonly error: unknown;
}

/** It answered, and is not what `target_session_attrs` asks for: after a failover it may become that. */
export class UnsuitableServer extends Error {}

export function connectionFailed(
  failures: readonly FailedHost[],
  connection: ConnectionOptions,
): PgGhostError {
  const reasons = [...new Set(failures.map(({ host, error }) => `${host}: ${reasonOf(error)}`))];
  const [first] = failures;
  const text =
    reasons.length === 1 && first !== undefined
      ? reasonOf(first.error)
      : `none of its hosts would do\n${reasons.map((reason) => `  ${reason}`).join('\n')}`;
  return new FailedError('cannot-connect', `cannot connect to ${describeConnection(connection)}: ${text}`, {
    details: { hosts: failures.map(({ host, error }) => ({ host, why: reasonOf(error) })) },
    state: 'nothing was changed by this command',
    hint: 'check --dsn, DATABASE_URL or the PG* variables, that the server runs, and pg_hba.conf',
    // One that may pass by itself makes the whole worth trying again.
    cause: (failures.find(({ error }) => isTransient(error)) ?? failures.at(-1))?.error,
  });
}

function reasonOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** With the objects that are in the way, which PostgreSQL names in its DETAIL; for errors of dependencies only. */
export function messageWithDetail(error: unknown): string {
  const detail = isServerError(error) ? error.detail : undefined;
  return detail === undefined ? messageOf(error) : `${messageOf(error)}\n${detail}`;
}
