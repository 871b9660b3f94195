/** Finds the text of an expression inside a statement. */
import type { Node } from './parse.js';
import { parseExpression } from './parse.js';
import { treesEqual } from './syntax-tree.js';
import { byteSlice, tokens } from './tokens.js';

/**
 * The text that follows a keyword (`USING`, `DEFAULT`) and parses to the given tree, without comments around it.
 * The longest one: `1` and `1 COLLATE "C"` are told apart by the tree, not by us.
 *
 * @returns null when there is none
 */
export function expressionAfter(keyword: string, text: string, tree: Node): string | null {
  const all = tokens(text);
  for (const [index, token] of all.entries()) {
    if (!token.isKeyword || byteSlice(text, token.start, token.end).toLowerCase() !== keyword.toLowerCase())
      continue;
    for (const last of all.slice(index + 1).toReversed()) {
      const candidate = byteSlice(text, token.end, last.end);
      if (isExpression(candidate, tree)) return parseExpression(candidate).text;
    }
  }
  return null;
}

function isExpression(text: string, tree: Node): boolean {
  try {
    return treesEqual(parseExpression(text).tree, tree);
  } catch {
    return false; // cut in the middle
  }
}
