/** A sequence that stands where the one of the coming table cannot: the swap would fail under its lock. */
import { advice, type Text } from '../advice.js';
import type { Session } from '../db/session.js';
import { RefusedError, type Refusal } from '../errors.js';
import type { CopyPlan } from '../model/plan.js';
import type { OwnedSequence } from '../model/table-shape.js';
import { displayName, qualified } from '../sql/quote.js';

/** One that goes on, and the bounds that it will have. */
interface Succession {
  readonly now: OwnedSequence;
  readonly next: Pick<OwnedSequence, 'min' | 'max' | 'type'>;
}

/** @throws RefusedError `sequence-past-end` */
export async function refuseSpentSequences(session: Session, plan: CopyPlan): Promise<void> {
  const refusals: Refusal[] = [];
  for (const { now, next } of successions(plan)) {
    const { last } = await session.row<{ last: string }>(
      `select last_value::text as last from ${qualified(now.name)}`,
    );
    if (BigInt(last) <= BigInt(next.max) && BigInt(last) >= BigInt(next.min)) continue;
    refusals.push({
      code: 'sequence-past-end',
      message: `the sequence ${displayName(now.name)} of column ${now.column} stands at ${last}; as ${next.type} it goes from ${next.min} to ${next.max}`,
      hint: hint(now),
    });
  }
  const [first, ...others] = refusals;
  if (first !== undefined) throw new RefusedError([first, ...others]);
}

function hint({ name }: OwnedSequence): Text {
  return advice`set it to a value that both have room for (select setval('${qualified(name)}', ...)), and correct the rows that were given such values`;
}

function successions({ source, target, columns, serials }: CopyPlan): Succession[] {
  const identities = source.sequences.flatMap((now): Succession[] => {
    if (!now.identity) return [];
    const column = columns.find((each) => each.source === now.column)?.target;
    const next = target.sequences.find((each) => each.identity && each.column === column);
    return next === undefined ? [] : [{ now, next }];
  });
  // As it is now it may be named and bounded otherwise than when the change was planned.
  const owned = serials.flatMap(({ sequence, type }): Succession[] => {
    const now = source.sequences.find(({ oid }) => oid === sequence.oid);
    const bounds = now === undefined || type === null ? null : boundsOf(now, type);
    return now === undefined || bounds === null ? [] : [{ now, next: bounds }];
  });
  return [...identities, ...owned];
}

const bits: Readonly<Record<string, bigint>> = { smallint: 15n, integer: 31n, bigint: 63n };

/** ALTER SEQUENCE ... AS leaves bounds that somebody has set, and those of a type become those of the other. */
function boundsOf(now: OwnedSequence, type: string): Pick<OwnedSequence, 'min' | 'max' | 'type'> | null {
  const [was, becomes] = [bits[now.type], bits[type]];
  if (was === undefined || becomes === undefined) return null;
  const most = (exponent: bigint): string => String(2n ** exponent - 1n);
  const least = (exponent: bigint): string => String(-(2n ** exponent));
  return {
    type,
    max: now.max === most(was) ? most(becomes) : now.max,
    min: now.min === least(was) ? least(becomes) : now.min,
  };
}
