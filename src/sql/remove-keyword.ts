import { parseStatement, type Node } from './parse.js';
import { treesEqual } from './syntax-tree.js';
import { byteSlice, byteSplice, tokens } from './tokens.js';

/**
 * The statement without one optional keyword: the occurrence whose removal gives the wanted tree.
 *
 * @throws Error when there is none
 */
export function removeKeyword(text: string, keyword: string, wanted: Node): string {
  for (const token of tokens(text)) {
    if (!token.isKeyword || byteSlice(text, token.start, token.end).toLowerCase() !== keyword) continue;
    const without = byteSplice(text, token.start, token.end, '');
    try {
      if (treesEqual(parseStatement(without).tree, wanted)) return without;
    } catch {
      continue; // that one was a name
    }
  }
  throw new Error(`cannot leave ${keyword} out of: ${text}`);
}
