/** What a run has told and the state does not have yet. */
export class Unsaved<Item> {
  #items: Item[] = [];

  add(item: Item): void {
    this.#items.push(item);
  }

  /** What could not be written is kept for the next time. @throws what `write` throws */
  async save(write: (items: readonly Item[]) => Promise<void>): Promise<void> {
    const items = this.#items;
    this.#items = [];
    try {
      await write(items);
    } catch (error) {
      this.#items.unshift(...items);
      throw error;
    }
  }
}
