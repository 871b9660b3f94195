/**
 * Where two keys of `from` may become one in `to`: are there two, and has one row been written over the other?
 *
 * Reads all rows of both tables once, in one snapshot; for migrations whose keys are not known to stay apart. Keys that
 * collide end the run. Where rows were lost to a collision that is over (one of the two was renamed or deleted), their keys are put
 * into the log, and apply brings them back.
 */
import { advice, toDo } from '../advice.js';
import type { Session } from '../db/session.js';
import { FailedError } from '../errors.js';
import { keyText } from '../model/key.js';
import { displayName } from '../sql/quote.js';
import { targetNames } from '../stream/key-match.js';
import type { ApplyPlan } from './apply-plan.js';
import { lockTablesSql } from './apply-sql.js';
import { balanceSql, collisionsSql, extraRowsSql, requeueMissingSql, type Collision } from './audit-sql.js';
import type { Balance } from './balance.js';

export interface Audit {
  /** `from` was truncated, and `to` has not followed: apply, and look again. */
  readonly truncated: boolean;
  /** Rows that were lost, and are in the log now. */
  readonly requeued: number;
}

/**
 * Nobody applies meanwhile. From then on the balance is known.
 *
 * @throws FailedError `unique-violation`, naming the rows
 */
export async function audit(session: Session, plan: ApplyPlan, balance: Balance): Promise<Audit> {
  balance.forget();
  const counted = await session.transaction(
    async () => {
      await session.batch([lockTablesSql(plan)]);
      const { balance: value, truncated } = await session.row<{ balance: number; truncated: boolean }>(
        balanceSql(plan),
      );
      if (truncated) return null;
      // Under the settings under which the user's expressions are evaluated, here as everywhere.
      return await session.under(plan.settings, async () => {
        const collisions = await session.rows<Collision>(collisionsSql(plan));
        if (collisions.length > 0) throw keysCollide(plan, collisions);
        return { value, requeued: await session.execute(requeueMissingSql(plan)) };
      });
    },
    { isolation: 'repeatable read', settings: { jit: 'off' } },
  );
  if (counted === null) return { truncated: true, requeued: 0 };
  balance.counted(counted.value);
  return { truncated: false, requeued: counted.requeued };
}

/** What `to` has too much, by key; when the balance says that there is something. */
export async function extraRows(session: Session, plan: ApplyPlan): Promise<string[]> {
  const rows = await session.transaction(
    async () => {
      await session.batch([lockTablesSql(plan)]);
      return await session.under(plan.settings, () => session.rows<{ key: string[] }>(extraRowsSql(plan)));
    },
    { isolation: 'repeatable read', settings: { jit: 'off' } },
  );
  return rows.map(({ key }) => keyText(targetNames(plan.key), key));
}

export function keysCollide(plan: ApplyPlan, collisions: readonly Collision[]): FailedError {
  const names = plan.key.columns.map(({ name }) => name).join(', ');
  const lines = collisions.map(({ key, rows }) => {
    const which = rows.map((row) => `${names}=${row}`).join(' and ');
    return `${which} become ${keyText(targetNames(plan.key), key)}`;
  });
  return new FailedError(
    'unique-violation',
    `rows of ${displayName(plan.from)} have the same key in ${plan.told.to}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    {
      details: {
        reason: 'unique',
        keys: collisions.flatMap(({ rows }) => rows.map((row) => `${names}=${row}`)),
        constraint: null,
      },
      state: `${plan.told.untouched}, the application's writes go on; migration ${plan.id} keeps its state`,
      hint: advice`change or delete one of them and run the same command again, or ${toDo('abort', plan.id)}`,
    },
  );
}
