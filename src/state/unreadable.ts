/** What is stored as JSON is parsed when somebody needs it: what does not fit is an error of its own. */
import type { z } from 'zod';
import { advice, toDo } from '../advice.js';
import { FailedError } from '../errors.js';
import { isOver, isRolledBack, isSwapped, type Phase } from '../model/phase.js';

/** Whose it is, as far as that is known. */
export interface Whose {
  readonly id: number;
  readonly phase?: Phase;
}

/** More of them say nothing more. */
const mostIssues = 5;

/** @throws FailedError `state-unreadable` */
export function readStored<T>(whose: Whose, what: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw unreadable(
    whose,
    result.error.issues
      .slice(0, mostIssues)
      .map(({ path, message }) => `${[what, ...path].map(String).join('.')}: ${message}`),
  );
}

export function unreadable({ id, phase }: Whose, issues: readonly string[]): FailedError {
  return new FailedError(
    'state-unreadable',
    `what is stored of migration ${id} is not what this version of pg-ghost writes: ${issues.join('; ')}`,
    { details: { migration: id, issues }, ...facts(id, phase) },
  );
}

/** The same for what may be missing. */
export function readStoredIfAny<T>(
  whose: Whose,
  what: string,
  schema: z.ZodType<T>,
  value: unknown,
): T | null {
  return value === null || value === undefined ? null : readStored(whose, what, schema, value);
}

function facts(
  id: number,
  phase: Phase | undefined,
): Required<Pick<ConstructorParameters<typeof FailedError>[2] & object, 'state' | 'hint'>> {
  if (phase === undefined)
    return { state: 'nothing was changed', hint: 'look with the version of pg-ghost that has written it' };
  return wasSwapped(phase)
    ? {
        state: 'the tables are swapped, and the new one is in use',
        hint: `go on with the version of pg-ghost that began migration ${id}`,
      }
    : {
        state: 'the source is untouched, and nothing was changed',
        hint: advice`go on with the version of pg-ghost that began migration ${id}, or ${toDo('abort', id)} and begin anew`,
      };
}

export function wasSwapped(phase: Phase): boolean {
  return isSwapped(phase) || isRolledBack(phase) || isOver(phase);
}
