/**
 * Every error that reaches a user is one of these: a stable code, what happened, what state things are in,
 * and what to do next. The class decides the exit code (docs/cli.md), the code decides the page (docs/errors.md).
 */
import { inWords, joined, type Text } from './advice.js';

/** Exit codes of the command line; part of its contract. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  different: 4,
  cutoverNotObtained: 5,
  outcomeUnknown: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface ErrorFacts {
  /** Facts for scripts: names, keys, pids. Never SQL text of other sessions, never a password. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What state the tables and the migration are in now. */
  readonly state?: Text;
  /** What to do next, or what to change. */
  readonly hint?: Text;
  readonly cause?: unknown;
}

export abstract class PgGhostError extends Error {
  abstract readonly exitCode: ExitCode;
  readonly details: Readonly<Record<string, unknown>>;
  /** In words; `told` has what to do as data. */
  readonly state: string | null;
  readonly hint: string | null;
  readonly told: { readonly state: Text | null; readonly hint: Text | null };

  constructor(
    /** Stable, kebab-case; documented in docs/errors.md. */
    readonly code: string,
    message: string,
    facts: ErrorFacts = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.details = facts.details ?? {};
    const { state = null, hint = null } = facts;
    this.told = { state, hint };
    this.state = state === null ? null : inWords(state);
    this.hint = hint === null ? null : inWords(hint);
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      state: this.state,
      hint: this.hint,
      exitCode: this.exitCode,
      ...(Object.keys(this.details).length > 0 ? { details: this.details } : {}),
    };
  }
}

/** The request itself is wrong, and no server was needed to see it (unknown option, syntax error). */
export class UsageError extends PgGhostError {
  readonly exitCode = ExitCode.usage;
}

/** Why a change is refused; one of possibly many. */
export interface Refusal {
  /** Stable, kebab-case; documented in docs/errors.md. */
  readonly code: string;
  readonly message: string;
  readonly hint?: Text;
}

/** The plan says no. Nothing was changed. */
export class RefusedError extends PgGhostError {
  readonly exitCode = ExitCode.refused;
  readonly reasons: readonly Refusal[];

  constructor(reasons: readonly Refusal[], facts: ErrorFacts = {}) {
    const [first] = reasons;
    const hints = reasons.flatMap((reason) => (reason.hint === undefined ? [] : [reason.hint]));
    super(
      reasons.length === 1 && first !== undefined ? first.code : 'refused',
      reasons.map((reason) => reason.message).join('\n'),
      {
        state: 'nothing was changed',
        ...(hints.length > 0 ? { hint: joined(distinct(hints), '\n') } : {}),
        ...facts,
      },
    );
    this.reasons = reasons;
  }

  override toJSON(): Record<string, unknown> {
    const reasons = this.reasons.map(({ hint, ...reason }) => ({
      ...reason,
      ...(hint === undefined ? {} : { hint: inWords(hint) }),
    }));
    return { ...super.toJSON(), reasons };
  }
}

function distinct(texts: readonly Text[]): Text[] {
  return [...new Map(texts.map((text) => [inWords(text), text])).values()];
}

/** Something went wrong on the way. The state is kept unless `state` says otherwise. */
export class FailedError extends PgGhostError {
  readonly exitCode = ExitCode.failed;
}

/** The new table would not hold what the old one holds. Not swapped. */
export class DifferentError extends PgGhostError {
  readonly exitCode = ExitCode.different;
}

/** The locks for the swap did not come within the deadline. The shadow is still in sync. */
export class CutoverNotObtainedError extends PgGhostError {
  readonly exitCode = ExitCode.cutoverNotObtained;
}

/** The connection died around the commit of the swap, and the catalog could not be asked (invariant 11). */
export class OutcomeUnknownError extends PgGhostError {
  readonly exitCode = ExitCode.outcomeUnknown;
}

/** Stopped by the user; the state is kept. */
export class InterruptedError extends PgGhostError {
  readonly exitCode = ExitCode.interrupted;
}
