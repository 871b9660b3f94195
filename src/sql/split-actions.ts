/** The actions of an ALTER TABLE, as the user wrote them. */
import type { Node } from './parse.js';
import { parseStatement } from './parse.js';
import { treesEqual } from './syntax-tree.js';
import { byteSlice, tokenType, tokens, type Token } from './tokens.js';

/**
 * Cuts `ALTER TABLE name a, b, c` at the commas that are in no bracket; each piece is parsed by itself and must be the
 * action that the whole statement has in its place.
 *
 * @param commands `cmds` of the statement's tree
 * @throws Error when a piece is not the action
 */
export function splitActions(text: string, commands: readonly Node[]): string[] {
  const all = tokens(text);
  const cuts = topLevelCommas(all);
  const ends = [...cuts.map((index) => all[index - 1]?.end ?? 0), all.at(-1)?.end ?? 0];
  // Where the first action starts is not in the tree: it is the last place from where on the text parses to it.
  const first = all.findLastIndex(
    ({ start, end }) => end <= (ends[0] ?? 0) && isAction(byteSlice(text, start, ends[0]), commands[0]),
  );
  const starts = [first, ...cuts.map((index) => index + 1)].map((index) => all[index]?.start ?? 0);
  const pieces = starts.map((start, index) => byteSlice(text, start, ends[index]));
  const wrong =
    pieces.length !== commands.length || pieces.some((piece, index) => !isAction(piece, commands[index]));
  if (first < 0 || wrong) throw new Error(`cannot tell the actions apart in: ${text}`);
  return pieces;
}

function topLevelCommas(all: readonly Token[]): number[] {
  const brackets: Readonly<Record<number, number>> = {
    [tokenType.leftParen]: 1,
    [tokenType.rightParen]: -1,
    [tokenType.leftBracket]: 1,
    [tokenType.rightBracket]: -1,
  };
  let depth = 0;
  return all.flatMap((token, index) => {
    depth += brackets[token.type] ?? 0;
    return depth === 0 && token.type === tokenType.comma ? [index] : [];
  });
}

function isAction(text: string, command: Node | undefined): boolean {
  try {
    const { tree } = parseStatement(`alter table t ${text}`);
    return 'AlterTableStmt' in tree && treesEqual(tree.AlterTableStmt.cmds, [command]);
  } catch {
    return false;
  }
}

/** An action on one line: comments left out, white space as single spaces. */
export function oneLine(text: string): string {
  const all = tokens(text);
  return all
    .map((token, index) => {
      const gap = token.start > (all[index - 1]?.end ?? token.start) ? ' ' : '';
      return gap + byteSlice(text, token.start, token.end);
    })
    .join('');
}
