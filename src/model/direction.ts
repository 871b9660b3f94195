/** Which way rows go between the two tables of a migration: to the one of the new shape, or to the one from before it. */
export type Direction = 'forward' | 'back';

export function opposite(direction: Direction): Direction {
  return direction === 'forward' ? 'back' : 'forward';
}
