/** How long a column that has grown can still be taken back: until the ids that are drawn have no room in its old type. Pure. */

export interface IdRoom {
  /** Of the old table. */
  readonly column: string;
  /** Of the new one, whose sequence gives the ids. */
  readonly newColumn: string;
  /** The last id that the old type holds; as text: bigint. */
  readonly limit: string;
  /** Of the sequence; as text. */
  readonly increment: string;
}

/** @param last what the sequence gave last */
export function remainingIds(
  { limit, increment }: Pick<IdRoom, 'limit' | 'increment'>,
  last: string,
): bigint {
  const remaining = (BigInt(limit) - BigInt(last)) / BigInt(increment);
  return remaining > 0n ? remaining : 0n;
}

/** Four fifths are used: time to decide. */
export function isNearLimit({ limit }: Pick<IdRoom, 'limit'>, last: string): boolean {
  const [most, now] = [BigInt(limit), BigInt(last)];
  return most < 0n ? now * 5n <= most * 4n : now * 5n >= most * 4n;
}

/** Of what the sequence gave since it was at `first`. */
export function idsPerSecond(
  { increment }: Pick<IdRoom, 'increment'>,
  first: string,
  last: string,
  seconds: number,
): number {
  return seconds > 0 ? Math.max(0, Number((BigInt(last) - BigInt(first)) / BigInt(increment)) / seconds) : 0;
}

/** @param rate ids a second, as measured; null where none were drawn: then there is no end in sight */
export function secondsLeft(remaining: bigint, rate: number): number | null {
  return rate > 0 ? Number(remaining) / rate : null;
}
