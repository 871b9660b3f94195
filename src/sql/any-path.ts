/**
 * Texts that PostgreSQL printed under an empty `search_path`, for statements that run under the user's: what has no
 * schema in them is of pg_catalog, and says so here. The user's path may have another schema before pg_catalog, and a
 * function that fits the arguments better than a polymorphic one of pg_catalog wins wherever it is.
 *
 * What grammar alone names stays: `IS DISTINCT FROM`, NULLIF and CASE look `=` up by themselves.
 */
import { replaced, type Replacement } from './insertions.js';
import { parseExpression, parseStatement } from './parse.js';
import { isTreeObject, stringList, walkTree, type TreeObject } from './syntax-tree.js';
import { byteSlice, tokens } from './tokens.js';

const prefix = 'select ';

/** An expression. */
export function onAnyPath(expression: string): string {
  const { text } = parseExpression(expression);
  const statement = `${prefix}${text}`;
  return replaced(statement, placesOf(statement)).slice(prefix.length);
}

/** A type as `format_type` gives it. */
export function typeOnAnyPath(type: string): string {
  return onAnyPath(`null::${type}`).slice('null::'.length);
}

/**
 * `CREATE INDEX`; null when it names a collation or an operator class of pg_catalog for a column, which have no place in
 * the parser's tree.
 */
export function indexOnAnyPath(statement: string): string | null {
  const { tree, text } = parseStatement(statement);
  let isFixed = true;
  walkTree(tree, ({ IndexElem: element }) => {
    if (!isTreeObject(element)) return;
    for (const name of [element['collation'], element['opclass']]) {
      if (stringList(name)?.length === 1) isFixed = false;
    }
  });
  return isFixed ? replaced(text, placesOf(text)) : null;
}

function placesOf(text: string): Replacement[] {
  const { tree } = parseStatement(text);
  const all = tokens(text);
  const places: Replacement[] = [];
  const insert = (at: number | undefined): void => {
    if (at !== undefined) places.push({ start: at, end: at, text: 'pg_catalog.' });
  };
  walkTree(tree, (node) => {
    const { FuncCall: call, A_Expr: operation, CollateClause: collate } = node;
    if (isTreeObject(call) && isBare(call['funcname'])) insert(locationOf(call));
    if (isTreeObject(operation) && operators.has(String(operation['kind'])) && isBare(operation['name'])) {
      const token = all.find(({ start }) => start === locationOf(operation));
      if (token !== undefined) {
        const name = byteSlice(text, token.start, token.end);
        places.push({ start: token.start, end: token.end, text: `OPERATOR(pg_catalog.${name})` });
      }
    }
    if (isTreeObject(collate) && isBare(collate['collname'])) {
      insert(all.find(({ start }) => start > locationOf(collate))?.start);
    }
    // A TypeName is a node of its own, or the bare value of a field.
    for (const type of [node['TypeName'], node['typeName']]) {
      if (isTreeObject(type) && isBare(type['names'])) insert(locationOf(type));
    }
  });
  return unique(places);
}

/** Kinds of A_Expr whose operator stands in the text. */
const operators: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_OP_ANY', 'AEXPR_OP_ALL']);

function isBare(name: unknown): boolean {
  return stringList(name)?.length === 1;
}

/** Left out of the tree where it is 0. */
function locationOf(node: TreeObject): number {
  return (node['location'] as number | undefined) ?? 0;
}

function unique(places: readonly Replacement[]): Replacement[] {
  return [...new Map(places.map((place) => [place.start, place])).values()];
}
