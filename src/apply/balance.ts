/**
 * Has a row been lost? Where two keys of `from` may become one in `to`, apply can write one row over the other, and
 * nothing fails: it takes the row of a key away and puts in `from`'s. So it keeps count. With
 *
 *   balance = rows of `to` + steps of the entries that are left - rows of `from`
 *
 * a write of the application changes nothing (its entry has the step), and a batch changes the balance by the rows it put in,
 * less those it took away, less the steps of its entries: in the end, when no entry is left, by nothing. Entries of one key that
 * are applied in several batches make it differ for a while, so only then does it tell: it is 0, or rows were lost (or are too
 * many). What it was at one moment is counted by `audit`; under the lock, where nobody may count all rows, it is known by then.
 */
export class Balance {
  #value: number | null = null;

  /** null when nobody knows: not counted yet, or a batch of which nobody knows whether it was committed. */
  get value(): number | null {
    return this.#value;
  }

  counted(value: number): void {
    this.#value = value;
  }

  add(change: number): void {
    if (this.#value !== null) this.#value += change;
  }

  forget(): void {
    this.#value = null;
  }
}
