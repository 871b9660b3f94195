/** What is compared at a time: a piece of both tables, or of one whose rows are looked up in the other. */

/** Values of the key of `from` as text, in the index's order. */
export type KeyPosition = readonly string[];

/** Above `after`, up to and with `upTo`; null: no limit on that side. */
export interface KeyRange {
  readonly after: KeyPosition | null;
  readonly upTo: KeyPosition | null;
}

export interface ComparedBlocks {
  readonly from: number;
  readonly to: number;
  /** This row alone. */
  readonly tid?: string;
}

export type Piece =
  | { readonly kind: 'range'; readonly range: KeyRange }
  | { readonly kind: 'from blocks' | 'to blocks'; readonly blocks: ComparedBlocks };
