/**
 * How long the statements of a swap take, by what they have to make. Pure.
 *
 * The figures for foreign keys fit what was measured on PostgreSQL 15 with two cores: 50, 300 and 600 of them took 33, 187 and
 * 540 ms. Twice as many cost up to four times as much: PostgreSQL reads all triggers of the table anew after each of them. Those
 * for views and triggers were measured on a busy machine, and halved. All of it is an order of magnitude: a rehearsal measures
 * it, and the commit with synchronous standbys comes on top.
 */
import type { TargetDefinitions } from '../../model/definitions.js';

const baseMs = 3;
/** Dropped at one table and made at another, with four triggers. */
const foreignKeyMs = 0.5;
const foreignKeySquaredMs = 0.0006;
const replacedViewMs = 0.2;
const recreatedViewMs = 0.7;
/** A trigger, rule, policy, function, publication, or default of another table. */
const otherMs = 0.15;

export function estimateHoldMs(target: TargetDefinitions): number {
  const { views, foreignKeysIn, foreignKeysOut } = target;
  const keys = foreignKeysIn.length + foreignKeysOut.length;
  const recreated = views.filter(({ how }) => how === 'recreate').length;
  const others = [
    target.triggers,
    target.rules,
    target.policies,
    target.functions,
    target.publications,
    target.policiesElsewhere,
    target.rulesElsewhere,
    target.defaultsElsewhere,
  ].reduce((sum, list) => sum + list.length, 0);
  return Math.round(
    baseMs +
      keys * foreignKeyMs +
      keys * keys * foreignKeySquaredMs +
      (views.length - recreated) * replacedViewMs +
      recreated * recreatedViewMs +
      others * otherMs,
  );
}

/** A machine at work takes longer than the one that was measured. */
const margin = 2;

/** A budget that leaves room, in round figures. */
export function advisedMaxHoldMs(estimateMs: number): number {
  return Math.min(60_000, Math.ceil((estimateMs * margin) / 100) * 100);
}

export function isTight(estimateMs: number, maxHoldMs: number): boolean {
  return estimateMs * margin > maxHoldMs;
}
