/**
 * A value of the new type as one of the old type, when the change is taken back. What the old type cannot hold must be an error:
 * a cast that rounds or cuts off would lose what somebody wrote, and nothing would tell. Pure.
 */
import type { Column } from '../../model/table-shape.js';
import { typeOnAnyPath } from '../../sql/any-path.js';
import { ident, literal } from '../../sql/quote.js';
import { keepsApart } from '../mapping/injective.js';
import { baseOf, integers, rangeOf, texts } from '../mapping/type-facts.js';

/**
 * SQL over the new row, for INSERT into the old table. The plain column where assignment is exact or fails; else cast there and
 * back, with an error where that is another value.
 *
 * @param from of the new table
 * @param to of the old table
 */
export function castBack(from: Column, to: Column): string {
  const value = ident(from.name);
  return keepsApart(from, to) ? value : checkedCast(value, from, to);
}

/**
 * The text in the error is cast to an integer, which it is not: PostgreSQL has no expression that only fails. It depends on the
 * value, so that no planner evaluates it beforehand.
 */
function checkedCast(value: string, from: Column, to: Column): string {
  const [old, own] = [typeOnAnyPath(to.type), typeOnAnyPath(from.type)];
  const back = `${value}::${old}`;
  const same = `${image(`(${back})::${own}`, from)} OPERATOR(pg_catalog.=) ${image(value, from)}`;
  const said = `pg_catalog.concat(${literal(`${from.type} `)}, pg_catalog.left(${value}::pg_catalog.text, 60), ${literal(` has no equal in column ${to.name} of type ${to.type}`)})`;
  return `case when ${value} is null or ${same} then ${back} when ${said}::pg_catalog.int4 is null then null end`;
}

/** Types whose values say the same in more than one text. */
const comparedByValue: ReadonlySet<string> = new Set([
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'real',
  'double precision',
  'character',
]);

function image(value: string, { type }: Column): string {
  return comparedByValue.has(baseOf(type))
    ? `(${value})`
    : `(${value})::pg_catalog.text collate pg_catalog."C"`;
}

/**
 * The same for a key that is looked for. One that the old type cannot hold is not in the old table, so there is nothing to find:
 * NULL and no error, which would outlive the row that had the key. Where it would be cut off, another row would be found.
 */
export function keyBack(from: Column, to: Column): string {
  const value = ident(from.name);
  if (from.type === to.type) return value;
  const [old, own] = [typeOnAnyPath(to.type), typeOnAnyPath(from.type)];
  const back = `${value}::${old}`;
  const same = `${image(`(${back})::${own}`, from)} OPERATOR(pg_catalog.=) ${image(value, from)}`;
  const fits = castConditions(value, from, to);
  const isExact = integers.includes(from.type) && integers.includes(to.type);
  // CASE keeps the order: nothing is cast that cannot be.
  return [...fits, ...(isExact ? [] : [same])].reduceRight(
    (then, condition) => `case when ${condition} then ${then} end`,
    back,
  );
}

const uuid = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';

/** Without these the cast itself fails, where it is known how it can. */
function castConditions(value: string, from: Column, to: Column): string[] {
  const [own, range] = [baseOf(from.type), rangeOf(to.type)];
  const isText = texts.includes(own);
  const matches = (pattern: string): string => `${value} OPERATOR(pg_catalog.~) ${literal(pattern)}`;
  if (to.type === 'uuid' && isText) return [matches(uuid)];
  if (range === null) return [];
  const isNumber = own === 'numeric' || integers.includes(own);
  if (!isNumber && !isText) return [];
  if (integers.includes(own) && integers.indexOf(own) <= integers.indexOf(to.type)) return [];
  const [least, most] = range;
  const number = `${value}::pg_catalog.numeric`;
  return [
    ...(isText ? [matches('^(0|-?[1-9][0-9]{0,18})$')] : []),
    `${number} OPERATOR(pg_catalog.>=) (${least})::pg_catalog.numeric and ${number} OPERATOR(pg_catalog.<=) ${most}::pg_catalog.numeric`,
  ];
}
