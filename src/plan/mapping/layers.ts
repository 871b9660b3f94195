/** Projections in the making: lists of columns, each a plain reference to the list before or an expression over it. */
import { ident } from '../../sql/quote.js';
import type { Projection } from '../../model/projection.js';

type LayerValue =
  /** A column of the layer before, or of the source row. */
  | { readonly kind: 'reference'; readonly name: string }
  /** SQL over the columns of the layer before. */
  | { readonly kind: 'expression'; readonly sql: string }
  /** SQL that refers to no column. */
  | { readonly kind: 'constant'; readonly sql: string };

export interface LayerColumn {
  readonly name: string;
  readonly value: LayerValue;
  /** Passed along under a name that no expression can mean. */
  readonly isPrivate?: boolean;
}

export type Layer = readonly LayerColumn[];

export function toProjection(alias: string, layers: readonly Layer[]): Projection {
  return {
    alias,
    layers: folded(layers).map((layer) =>
      layer.map(({ name, value }) => ({ name, expression: valueSql(value) })),
    ),
  };
}

function valueSql(value: LayerValue): string {
  return value.kind === 'reference' ? ident(value.name) : value.sql;
}

/** As few layers as mean the same: one in all but the rarest requests. */
function folded(layers: readonly Layer[]): Layer[] {
  return layers.reduce<Layer[]>((done, next) => {
    const previous = done.at(-1);
    const merged = previous === undefined ? null : merge(previous, next);
    return merged === null ? [...done, next] : [...done.slice(0, -1), merged];
  }, []);
}

/**
 * null when an expression of the second needs the names that the first one gives. The values that it gives are never
 * needed: an expression that uses a column which an earlier one computes is refused.
 */
function merge(first: Layer, second: Layer): Layer | null {
  const keepsNames = first.every(
    ({ name, value, isPrivate }) => isPrivate === true || value.kind !== 'reference' || value.name === name,
  );
  if (!keepsNames && second.some(({ value }) => value.kind === 'expression')) return null;
  return second.map((column) => {
    if (column.value.kind !== 'reference') return column;
    const { name } = column.value;
    const origin = first.find((candidate) => candidate.name === name);
    if (origin === undefined) throw new Error(`no column ${name} in the layer before`);
    return { ...column, value: origin.value };
  });
}
