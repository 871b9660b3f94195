/** SQL text to trees and back to pieces of text, by PostgreSQL's own parser (version 18's grammar). */
import { SqlError, parseSync, type Node } from 'libpg-query';
import { UsageError } from '../errors.js';
import './parser-module.js';
import { isTreeObject, stringList, treesEqual, walkTree } from './syntax-tree.js';
import { byteSlice, tokens } from './tokens.js';

export type { Node };

export interface Statement {
  /** As written, without the comments around it and without the semicolon. */
  readonly text: string;
  /** Its locations are byte offsets in `text`. */
  readonly tree: Node;
}

/**
 * Splits a text into statements.
 *
 * @param prefix goes before the text without being shown in errors (`alter table t ` before what the user wrote)
 * @throws UsageError `syntax-error`, with the position in the user's text
 */
export function parseStatements(text: string, { prefix = '' }: { prefix?: string } = {}): Statement[] {
  const whole = prefix + text;
  return parseTrees(whole, prefix).map(({ tree, start, end }) => {
    const own = tokens(byteSlice(whole, start, end));
    const statement = byteSlice(whole, start + (own[0]?.start ?? 0), start + (own.at(-1)?.end ?? 0));
    // Its positions are those in the whole.
    if (statement === whole) return { text: statement, tree };
    const [only] = parseTrees(statement, '');
    if (only === undefined) throw new Error('a statement without a tree');
    return { text: statement, tree: only.tree };
  });
}

/** Parses a text that is one statement, of our own making or PostgreSQL's. */
export function parseStatement(text: string): Statement {
  const [statement, ...more] = parseStatements(text);
  if (statement === undefined || more.length > 0) throw new Error(`expected one statement, got: ${text}`);
  return statement;
}

interface ParsedTree {
  readonly tree: Node;
  readonly start: number;
  /** undefined: to the end of the text. */
  readonly end: number | undefined;
}

/** The texts that were parsed last: a table's expressions and indexes are asked for again and again. */
const parsed = new Map<string, readonly ParsedTree[]>();
const remembered = 200;
const longestRemembered = 4_000;

/** Frozen: whoever changes a tree changes a copy. */
function parseTrees(text: string, prefix: string): readonly ParsedTree[] {
  if (text.trim() === '') return [];
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const trees = freshTrees(text, prefix);
  if (text.length > longestRemembered) return trees;
  // The first of a map's keys is the oldest.
  for (const oldest of parsed.keys()) {
    if (parsed.size < remembered) break;
    parsed.delete(oldest);
  }
  parsed.set(text, trees);
  return trees;
}

function freshTrees(text: string, prefix: string): readonly ParsedTree[] {
  try {
    return (parseSync(text).stmts ?? []).flatMap((raw) => {
      if (raw.stmt === undefined) return [];
      walkTree(raw.stmt, Object.freeze);
      const start = raw.stmt_location ?? 0;
      return [{ tree: raw.stmt, start, end: raw.stmt_len ? start + raw.stmt_len : undefined }];
    });
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw syntaxError(error, text, prefix);
  }
}

/** The parser counts characters (code points), from 0; -1 or nothing when it does not know. */
function syntaxError(error: SqlError, text: string, prefix: string): UsageError {
  const at = error.sqlDetails?.cursorPosition ?? -1;
  const shown = [...text].slice([...prefix].length);
  const position = at - [...prefix].length;
  const caret = at < 0 ? '' : `\n${caretLines(shown, Math.max(0, position))}`;
  return new UsageError('syntax-error', `${error.message}${caret}`, {
    details: at < 0 ? {} : { position: Math.max(0, position) + 1 },
    hint: 'the text is parsed by the grammar of PostgreSQL 18; nothing was sent to the server',
  });
}

function caretLines(characters: readonly string[], position: number): string {
  const before = characters.slice(0, position).lastIndexOf('\n') + 1;
  const next = characters.indexOf('\n', position);
  const line = characters.slice(before, next < 0 ? undefined : next).join('');
  return `  ${line}\n  ${' '.repeat(position - before)}^`;
}

export interface Expression {
  /** As written, without the comments around it. */
  readonly text: string;
  readonly tree: Node;
}

/**
 * One scalar expression, as in `--set COLUMN=EXPRESSION`.
 *
 * @throws UsageError `syntax-error` for anything that is not exactly one expression
 */
export function parseExpression(text: string): Expression {
  const notOne = (): UsageError =>
    new UsageError('syntax-error', `not one SQL expression: ${text}`, { hint: 'write COLUMN=EXPRESSION' });
  // The newline keeps a comment at the end from swallowing the parenthesis.
  const statements = parseStatements(`${text}\n)`, { prefix: 'select (' });
  const tree = statements.length === 1 ? onlyTarget(statements[0]?.tree) : null;
  const own = tokens(text);
  if (tree === null || own.length === 0) throw notOne();
  const trimmed = byteSlice(text, own[0]?.start ?? 0, own.at(-1)?.end ?? 0);
  // `1), (2` parses as well, as two targets or a row: what stands between our parentheses must parse by itself.
  const alone = onlyTarget(parseStatement(`select ${trimmed}`).tree);
  if (alone === null || !treesEqual(alone, tree)) throw notOne();
  return { text: trimmed, tree };
}

/** The expression of `select expression`; null when the statement is anything more. */
function onlyTarget(tree: Node | undefined): Node | null {
  if (tree === undefined || !('SelectStmt' in tree)) return null;
  const { targetList, ...rest } = tree.SelectStmt;
  const [target, ...more] = targetList ?? [];
  if (
    target === undefined ||
    more.length > 0 ||
    !('ResTarget' in target) ||
    target.ResTarget.name !== undefined
  )
    return null;
  return treesEqual(rest, { limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' })
    ? (target.ResTarget.val ?? null)
    : null;
}

/**
 * A name as SQL has it, `app.orders` or `"Orders"`, to its parts (folded, unquoted).
 *
 * @throws UsageError `bad-name`
 */
export function parseName(text: string): string[] {
  const bad = (cause?: unknown): UsageError =>
    new UsageError('bad-name', `not a name: ${text}`, {
      hint: `write it as in SQL: orders, app.orders, or quoted: "Orders"`,
      cause,
    });
  let statements: Statement[];
  try {
    statements = parseStatements(`${text} is null`, { prefix: 'comment on table ' });
  } catch (error) {
    throw bad(error);
  }
  const tree = statements.length === 1 ? statements[0]?.tree : undefined;
  const object: unknown = tree !== undefined && 'CommentStmt' in tree ? tree.CommentStmt.object : undefined;
  const parts =
    isTreeObject(object) && isTreeObject(object['List']) ? stringList(object['List']['items']) : null;
  // A name is its parts and the dots between them: nothing else may hide in the text.
  if (parts === null || tokens(text).length !== parts.length * 2 - 1) throw bad();
  return parts;
}
