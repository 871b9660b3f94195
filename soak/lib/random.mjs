/** Seeded choices: the same seed chooses the same. */

export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed | 0;
  }

  /** From 0 up to 1. https://prng.di.unimi.it/ calls it splitmix32. */
  next() {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  /**
   * Both ends included.
   *
   * @param {number} from
   * @param {number} to
   */
  int(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** @param {number} probability */
  chance(probability) {
    return this.next() < probability;
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  pick(list) {
    return /** @type {T} */ (list[Math.floor(this.next() * list.length)]);
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T[]}
   */
  shuffled(list) {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i -= 1) {
      const j = this.int(0, i);
      const kept = /** @type {T} */ (copy[i]);
      copy[i] = /** @type {T} */ (copy[j]);
      copy[j] = kept;
    }
    return copy;
  }

  /** A generator of its own: how often one part asks must not change what another part gets. */
  fork() {
    return new Random(this.int(0, 2 ** 31));
  }
}

/**
 * @param {number} seed
 * @param {number} round
 */
export function roundSeed(seed, round) {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(round, 0x85ebca6b)).int(1, 2 ** 31 - 1);
}
