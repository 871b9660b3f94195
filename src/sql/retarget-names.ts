/**
 * Points a text of PostgreSQL's own at other relations: several at once, by the parser's locations, and only where they are
 * named with their schema, as PostgreSQL does under an empty `search_path`. What comes out must parse to the same
 * tree with exactly these names changed.
 */
import { parseStatement } from './parse.js';
import { qualified, type QualifiedName } from './quote.js';
import { stringList, treesEqual, walkTree, type TreeObject } from './syntax-tree.js';
import { byteSplice, tokens } from './tokens.js';

export interface NameMove {
  readonly from: QualifiedName;
  readonly to: QualifiedName;
}

/** A statement that names none of them comes back as it is. */
export function retargetNames(text: string, moves: readonly NameMove[]): string {
  const wanted: unknown = structuredClone(parseStatement(text).tree);
  const places: { location: number; to: QualifiedName }[] = [];
  walkTree(wanted, (object) => {
    const place = relationPlace(object, moves) ?? typePlace(object, moves);
    if (place !== null) places.push(place);
  });
  if (places.length === 0) return text;
  const start = tokens(text)[0]?.start ?? 0;
  const result = places
    .toSorted((a, b) => b.location - a.location)
    .reduce((current, { location, to }) => replaceName(current, start + location, to), text);
  if (!treesEqual(parseStatement(result).tree, wanted))
    throw new Error(`cannot change the names in: ${text}`);
  return result;
}

const beforeExpression = 'select ';

/** The same for a scalar expression. */
export function retargetExpression(expression: string, moves: readonly NameMove[]): string {
  return retargetNames(beforeExpression + expression, moves).slice(beforeExpression.length);
}

/** A RangeVar; changes it. */
function relationPlace(object: TreeObject, moves: readonly NameMove[]) {
  if (typeof object['relname'] !== 'string') return null;
  const { schemaname, relname } = object;
  const move = moves.find(({ from }) => from.schema === schemaname && from.name === relname);
  if (move === undefined) return null;
  object['schemaname'] = move.to.schema;
  object['relname'] = move.to.name;
  return { location: (object['location'] as number | undefined) ?? 0, to: move.to };
}

/** A TypeName: a relation's row type has its name. */
function typePlace(object: TreeObject, moves: readonly NameMove[]) {
  const names = Array.isArray(object['names']) && 'typemod' in object ? stringList(object['names']) : null;
  if (names?.length !== 2) return null;
  const move = moves.find(({ from }) => from.schema === names[0] && from.name === names[1]);
  if (move === undefined) return null;
  object['names'] = [move.to.schema, move.to.name].map((sval) => ({ String: { sval } }));
  return { location: (object['location'] as number | undefined) ?? 0, to: move.to };
}

function replaceName(text: string, location: number, to: QualifiedName): string {
  const all = tokens(text);
  const at = all.findIndex(({ start }) => start === location);
  const last = all[at + 2];
  if (at < 0 || last === undefined) throw new Error(`there is no name at ${location} in: ${text}`);
  return byteSplice(text, location, last.end, qualified(to));
}
