/**
 * Can two different keys of the source become one in the shadow? Then apply, which finds the shadow's row by its key, would
 * write one row over the other. Of the conversions named here it is known that they keep keys apart; where a narrower type
 * has no room for a value, these fail and do not round. With any other the run keeps count (src/apply/balance.ts). Pure.
 */
import type { Column } from '../../model/table-shape.js';
import { parseExpression } from '../../sql/parse.js';
import { isTreeObject } from '../../sql/syntax-tree.js';
import type { ColumnSource } from './column-source.js';
import { baseOf, integers, lengthOf, scaleOf, texts } from './type-facts.js';

/** null when the keys are known to stay apart; else why they may not, for people. */
export function collisionOf({ source, target, value }: ColumnSource): string | null {
  if (source === null || value === null) return null;
  const conversion = `${source.type} to ${target.type}`;
  switch (value.kind) {
    case 'pass':
      return keepsApart(source, target) ? null : `${conversion} may turn two keys into one`;
    case 'using':
    case 'set':
      return isCastOf(value.expression.text, source, target) && keepsApart(source, target)
        ? null
        : `the expression for the new ${target.name} may turn two keys into one`;
    case 'constant':
      return `the new ${target.name} is the same for all rows`;
  }
}

/** Different values have different texts; `1.0` and `1.00` are one value here and in the source's key. */
const withText: readonly string[] = [
  ...integers,
  'numeric',
  'uuid',
  'character',
  'citext',
  'date',
  'boolean',
  'oid',
];

/** Whether a plain conversion never makes one of two values, and fails where a value has no room. */
export function keepsApart(source: Column, target: Column): boolean {
  if (!keepsTextsApart(source, target)) return false;
  if (source.type === target.type) return true;
  const [from, to] = [baseOf(source.type), baseOf(target.type)];
  if (integers.includes(from)) {
    return integers.includes(to) || (to === 'numeric' && scaleOf(target.type) >= 0) || texts.includes(to);
  }
  // Blanks at the end are cut off without an error, so there must be room for all of them.
  if (texts.includes(from)) return texts.includes(to) && lengthOf(target.type) >= lengthOf(source.type);
  if (from === 'numeric' && to === 'numeric') return scaleOf(target.type) >= scaleOf(source.type);
  if (from === 'date' && to === 'timestamp without time zone') return true;
  if (from === 'citext') return target.type === 'text';
  return withText.includes(from) && texts.includes(to);
}

/** In a nondeterministic collation texts can be equal that were not before. */
export function keepsTextsApart(source: Column, target: Column): boolean {
  if (target.collation === null || target.collation === source.collation) return true;
  return ['pg_catalog."C"', 'pg_catalog."POSIX"', 'pg_catalog."default"', 'pg_catalog."ucs_basic"'].includes(
    target.collation,
  );
}

/** What the grammar calls the types that have a name of their own in SQL. */
const grammarNames: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  varchar: 'character varying',
};

/** `id`, `orders.id`, `id::bigint`: the column itself, at most cast to the new type. A modifier in a cast cuts off. */
export function isCastOf(text: string, source: Column, target: Column): boolean {
  const { tree } = parseExpression(text);
  const cast = part(tree, 'TypeCast');
  if (cast !== null && castType(cast) !== baseOf(target.type).split('.').at(-1)) return false;
  const column = part(cast === null ? tree : cast['arg'], 'ColumnRef');
  return lastName(column?.['fields']) === source.name;
}

function castType(cast: Record<string, unknown>): string | null {
  const type = cast['typeName'];
  if (!isTreeObject(type) || type['typmods'] !== undefined || type['arrayBounds'] !== undefined) return null;
  const name = lastName(type['names']);
  return name === null ? null : (grammarNames[name] ?? name);
}

function lastName(names: unknown): string | null {
  const last = Array.isArray(names) ? part(names.at(-1), 'String') : null;
  return typeof last?.['sval'] === 'string' ? last['sval'] : null;
}

function part(node: unknown, kind: string): Record<string, unknown> | null {
  if (!isTreeObject(node)) return null;
  const inner = node[kind];
  return isTreeObject(inner) ? inner : null;
}
