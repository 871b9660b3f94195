/**
 * Points a text of PostgreSQL's own at other relations: several at once, by the parser's locations, and only where they are
 * named with their schema, as PostgreSQL does under an empty `search_path`; in constants (`'app.orders'::regclass`) as well.
 * What comes out must parse to the same tree with exactly these names changed.
 */
import { objectConstant, renamedConstant } from './object-constants.js';
import { parseStatement } from './parse.js';
import { literal, qualified } from './quote.js';
import type { QualifiedName } from '../model/name.js';
import { stringList, treesEqual, walkTree, type TreeObject } from './syntax-tree.js';
import { byteSplice, tokens } from './tokens.js';

export interface NameMove {
  readonly from: QualifiedName;
  readonly to: QualifiedName;
  /** An index or a sequence: a type of that name is something else. */
  readonly hasNoType?: boolean;
}

interface Place {
  /** Byte offset in the statement. */
  readonly location: number;
  /** How many tokens it takes: `schema . name`, or one literal. */
  readonly tokens: 1 | 3;
  readonly text: string;
}

/** A statement that names none of them comes back as it is. */
export function retargetNames(text: string, moves: readonly NameMove[]): string {
  const wanted: unknown = structuredClone(parseStatement(text).tree);
  const places: Place[] = [];
  walkTree(wanted, (object) => {
    const place = relationPlace(object, moves) ?? typePlace(object, moves) ?? constantPlace(object, moves);
    if (place !== null) places.push(place);
  });
  if (places.length === 0) return text;
  const start = tokens(text)[0]?.start ?? 0;
  const result = places
    .toSorted((a, b) => b.location - a.location)
    .reduce((current, place) => replaceAt(current, start + place.location, place), text);
  if (!treesEqual(parseStatement(result).tree, wanted))
    throw new Error(`cannot change the names in: ${text}`);
  return result;
}

const beforeExpression = 'select ';

/** The same for a scalar expression. */
export function retargetExpression(expression: string, moves: readonly NameMove[]): string {
  return retargetNames(beforeExpression + expression, moves).slice(beforeExpression.length);
}

/** Whether the expression names one of these relations, in whatever way. */
export function namesAny(expression: string, moves: readonly NameMove[]): boolean {
  return retargetExpression(expression, moves) !== expression;
}

/** Whether one of these stands in the expression as a value (`'app.orders'::regclass`), and not as a type or in a query. */
export function hasConstantOf(expression: string, moves: readonly NameMove[]): boolean {
  let found = false;
  // A copy, since the places that are found are renamed at once.
  walkTree(structuredClone(parseStatement(beforeExpression + expression).tree), (object) => {
    if (constantPlace(object, moves) !== null) found = true;
  });
  return found;
}

/** A RangeVar; changes it. */
function relationPlace(object: TreeObject, moves: readonly NameMove[]): Place | null {
  if (typeof object['relname'] !== 'string') return null;
  const { schemaname, relname } = object;
  const move = moves.find(({ from }) => from.schema === schemaname && from.name === relname);
  if (move === undefined) return null;
  object['schemaname'] = move.to.schema;
  object['relname'] = move.to.name;
  return nameAt(object, move.to);
}

/** A TypeName: a relation's row type has its name. */
function typePlace(object: TreeObject, moves: readonly NameMove[]): Place | null {
  const names = Array.isArray(object['names']) && 'typemod' in object ? stringList(object['names']) : null;
  if (names?.length !== 2) return null;
  const move = moves.find(
    ({ from, hasNoType }) => hasNoType !== true && from.schema === names[0] && from.name === names[1],
  );
  if (move === undefined) return null;
  object['names'] = [move.to.schema, move.to.name].map((sval) => ({ String: { sval } }));
  return nameAt(object, move.to);
}

/** A TypeCast of a literal. */
function constantPlace(object: TreeObject, moves: readonly NameMove[]): Place | null {
  const constant = objectConstant(object);
  if (constant === null) return null;
  const known = moves.filter(({ hasNoType }) => constant.kind === 'regclass' || hasNoType !== true);
  const renamed = renamedConstant(
    constant,
    (name) => known.find(({ from }) => from.schema === name.schema && from.name === name.name)?.to ?? null,
  );
  if (renamed === null) return null;
  constant.replace(renamed);
  return { location: constant.location, tokens: 1, text: literal(renamed).trimStart() };
}

function nameAt(object: TreeObject, to: QualifiedName): Place {
  return { location: (object['location'] as number | undefined) ?? 0, tokens: 3, text: qualified(to) };
}

function replaceAt(text: string, location: number, place: Place): string {
  const all = tokens(text);
  const at = all.findIndex(({ start }) => start === location);
  const last = all[at + place.tokens - 1];
  if (at < 0 || last === undefined) throw new Error(`there is no name at ${location} in: ${text}`);
  return byteSplice(text, location, last.end, place.text);
}
