/**
 * A select over the source's rows that yields the shadow's rows. Layers apply one after the other, the first to the
 * source row; each is the whole list of columns that the next one sees. See `sql/projection.ts`.
 */
export interface Projection {
  /** The source's name, so that expressions may say `orders.total`. */
  readonly alias: string;
  readonly layers: readonly (readonly ProjectedColumn[])[];
}

export interface ProjectedColumn {
  readonly name: string;
  readonly expression: string;
}
