/** What the names of types say of them. Pure. */
import type { Column } from '../../model/table-shape.js';

/** From the smallest to the largest. */
export const integers: readonly string[] = ['smallint', 'integer', 'bigint'];

const ranges: Readonly<Record<string, readonly [least: string, most: string]>> = {
  smallint: ['-32768', '32767'],
  integer: ['-2147483648', '2147483647'],
  bigint: ['-9223372036854775808', '9223372036854775807'],
};

/** null for what is no integer. */
export function rangeOf(type: string): readonly [least: string, most: string] | null {
  return ranges[type] ?? null;
}
export const texts: readonly string[] = ['text', 'character varying'];

/** `numeric(10,2)` -> `numeric`, `app.citext` -> `citext`. */
export function baseOf(type: string): string {
  const name = type.replace(/\(.*\)/, '').replaceAll('"', '');
  return name.endsWith('.citext') ? 'citext' : name;
}

/** Of `character varying(10)`; without a modifier there is room for anything. */
export function lengthOf(type: string): number {
  const length = /\((\d+)\)$/.exec(type)?.[1];
  return length === undefined ? Number.POSITIVE_INFINITY : Number(length);
}

/** A numeric without modifier rounds nothing. */
export function scaleOf(type: string): number {
  const scale = /,(-?\d+)\)$/.exec(type)?.[1];
  if (scale !== undefined) return Number(scale);
  return type.includes('(') ? 0 : Number.POSITIVE_INFINITY;
}

/** Of `numeric(10,2)`: how many digits it has before the point. */
function wholeDigitsOf(type: string): number {
  const precision = /\((\d+)/.exec(type)?.[1];
  return precision === undefined ? Number.POSITIVE_INFINITY : Number(precision) - scaleOf(type);
}

/** Whether each value of one type has an equal in the other, for all that is known. */
export function hasRoomFor(from: Column, to: Column): boolean {
  if (from.type === to.type) return true;
  const [own, other] = [baseOf(from.type), baseOf(to.type)];
  if (integers.includes(own)) {
    if (integers.includes(other)) return integers.indexOf(own) <= integers.indexOf(other);
    return to.type === 'numeric' || isUnlimitedText(to.type);
  }
  if (texts.includes(own)) return texts.includes(other) && lengthOf(to.type) >= lengthOf(from.type);
  if (own === 'numeric' && other === 'numeric') {
    return (
      to.type === 'numeric' ||
      (scaleOf(to.type) >= scaleOf(from.type) && wholeDigitsOf(to.type) >= wholeDigitsOf(from.type))
    );
  }
  if (own === 'citext') return to.type === 'text';
  if (own === 'date') return other === 'timestamp without time zone' || isUnlimitedText(to.type);
  return ['numeric', 'uuid', 'boolean', 'oid'].includes(own) && isUnlimitedText(to.type);
}

function isUnlimitedText(type: string): boolean {
  return texts.includes(type);
}
