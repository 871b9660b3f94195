/** The lexical units of an SQL text, as PostgreSQL's own scanner sees them. */
import { scanSync } from 'libpg-query';
import './parser-module.js';

export interface Token {
  /** UTF-8 byte offsets, as in the parser's `location`s. */
  readonly start: number;
  readonly end: number;
  /** 258 for an identifier, the character code for a single character. See `tokenType`. */
  readonly type: number;
  readonly isKeyword: boolean;
}

/** Values of the scanner's enum; only those that we look at. */
export const tokenType = {
  leftParen: 40,
  rightParen: 41,
  comma: 44,
  dot: 46,
  leftBracket: 91,
  rightBracket: 93,
} as const;
const comments: ReadonlySet<number> = new Set([275, 276]);

/** Comments left out. */
export function tokens(text: string): Token[] {
  if (text.trim() === '') return [];
  return scanSync(withoutControlCharacters(text))
    .tokens.filter((token) => !comments.has(token.tokenType))
    .map((token) => ({
      start: token.start,
      end: token.end,
      type: token.tokenType,
      isKeyword: token.keywordKind !== 0,
    }));
}

/**
 * libpg-query 18.1 forgets to escape control characters in its JSON. They can stand inside quotes and comments, where
 * one is as good as another of the same length, or (form feed, vertical tab) be white space.
 */
function withoutControlCharacters(text: string): string {
  return text.replaceAll(/[\f\v]/g, ' ').replaceAll(/[\u0001-\u0008\u000e-\u001f]/g, '?');
}

/** The part of a text between two byte offsets. */
export function byteSlice(text: string, start: number, end?: number): string {
  return Buffer.from(text).subarray(start, end).toString();
}

/** The text with the bytes of one part replaced. */
export function byteSplice(text: string, start: number, end: number, replacement: string): string {
  return byteSlice(text, 0, start) + replacement + byteSlice(text, end);
}
