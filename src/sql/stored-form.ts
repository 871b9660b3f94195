/**
 * Texts that PostgreSQL prints and reads back as another tree. `status IN ('a', 'b')` over varchar is stored as one cast
 * of an array, printed as `(ARRAY['a'::character varying, ...])::text[]`, and read back as an array of casts, because the
 * grammar hands the cast on to the elements: from then on it is printed in another way. With the array's own type
 * said first the outer cast is one of an array again, and what is stored is what was.
 */
import { replaced, type Replacement } from './insertions.js';
import { parseStatement } from './parse.js';
import { ident } from './quote.js';
import { isTreeObject, stringList, treesEqual, walkTree, type TreeObject } from './syntax-tree.js';
import { tokens, tokenType, type Token } from './tokens.js';

/** The statement, such that PostgreSQL stores the expressions in it as those that were printed. */
export function inStoredForm(statement: string): string {
  if (!/\barray\[/i.test(statement)) return statement;
  const { tree, text } = parseStatement(statement);
  const all = tokens(text);
  const places: Replacement[] = [];
  walkTree(tree, ({ TypeCast: cast }) => {
    if (!isTreeObject(cast) || !isTreeObject(cast['arg'])) return;
    const array = cast['arg']['A_ArrayExpr'];
    if (!isTreeObject(array)) return;
    const type = elementType(array);
    const end = closingBracket(all, (array['location'] as number | undefined) ?? 0);
    if (type !== null && end !== null) places.push({ start: end, end, text: `::${type}[]` });
  });
  return places.length === 0 ? statement : replaced(text, places);
}

/** Of all elements, where each is a cast to one and the same. */
function elementType(array: TreeObject): string | null {
  const elements = array['elements'];
  const types = (Array.isArray(elements) ? elements : []).map((element: unknown) =>
    isTreeObject(element) && isTreeObject(element['TypeCast']) ? element['TypeCast']['typeName'] : null,
  );
  const [first] = types;
  if (!isTreeObject(first) || first['arrayBounds'] !== undefined) return null;
  if (!types.every((type) => treesEqual(type, first))) return null;
  return stringList(first['names'])?.map(ident).join('.') ?? null;
}

/** The end of the bracket that opens behind this place. */
function closingBracket(all: readonly Token[], from: number): number | null {
  let depth = 0;
  for (const { start, end, type } of all) {
    if (start < from) continue;
    if (type === tokenType.leftBracket) depth += 1;
    if (type === tokenType.rightBracket) {
      depth -= 1;
      if (depth === 0) return end;
    }
  }
  return null;
}
