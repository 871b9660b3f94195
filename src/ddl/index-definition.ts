/** PostgreSQL's own index definitions, pointed at another table and with their tablespace. */
import type { Constraint, Index, TableShape } from '../model/table-shape.js';
import { parseStatement } from '../sql/parse.js';
import { ident } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { retargetRelation } from '../sql/retarget.js';
import { retargetNames } from '../sql/retarget-names.js';
import { ownMoves } from './own-names.js';
import { treesEqual } from '../sql/syntax-tree.js';
import { byteSlice, byteSplice, tokens, tokenType } from '../sql/tokens.js';
import { addConstraint } from './constraint-sql.js';

/** `CREATE [UNIQUE] INDEX` on another table; the index is created in that table's schema. */
export function createIndex(index: Index, shape: TableShape, table: QualifiedName): string {
  const statement = retargetNames(
    retargetRelation(index.definition, shape.name, table),
    ownMoves(shape, table.schema),
  );
  if (index.tablespace === null) return statement;
  return withClause(statement, `TABLESPACE ${ident(index.tablespace)}`, ['where'], (tree) => {
    (tree as { IndexStmt: { tableSpace?: string } }).IndexStmt.tableSpace = index.tablespace ?? '';
  });
}

/** A constraint that cannot be made of an index: EXCLUDE, and (since 18) WITHOUT OVERLAPS. */
export function createExclusion(constraint: Constraint, index: Index, table: QualifiedName): string {
  const statement = addConstraint(table, constraint);
  if (index.tablespace === null) return statement;
  const clause = `USING INDEX TABLESPACE ${ident(index.tablespace)}`;
  return withClause(statement, clause, ['where', 'deferrable', 'not', 'initially'], (tree) => {
    for (const command of (tree as ExclusionTree).AlterTableStmt.cmds) {
      command.AlterTableCmd.def.Constraint.indexspace = index.tablespace ?? '';
    }
  });
}

interface ExclusionTree {
  readonly AlterTableStmt: {
    readonly cmds: readonly {
      readonly AlterTableCmd: { readonly def: { readonly Constraint: { indexspace?: string } } };
    }[];
  };
}

/**
 * Puts a clause before the first of the keywords that stands outside of all parentheses, else at the end; what comes
 * out must parse to the tree as `change` makes it.
 */
function withClause(
  text: string,
  clause: string,
  before: readonly string[],
  change: (tree: unknown) => void,
): string {
  const wanted: unknown = structuredClone(parseStatement(text).tree);
  change(wanted);
  const at = startOfKeyword(text, before);
  const result = at === null ? `${text} ${clause}` : byteSplice(text, at, at, `${clause} `);
  if (!treesEqual(parseStatement(result).tree, wanted)) throw new Error(`cannot add ${clause} to: ${text}`);
  return result;
}

/** Byte offset. */
function startOfKeyword(text: string, keywords: readonly string[]): number | null {
  const isOneOf = ({ start, end }: { start: number; end: number }): boolean =>
    keywords.includes(byteSlice(text, start, end).toLowerCase());
  let depth = 0;
  for (const token of tokens(text)) {
    if (token.type === tokenType.leftParen) depth += 1;
    else if (token.type === tokenType.rightParen) depth -= 1;
    else if (depth === 0 && token.isKeyword && isOneOf(token)) return token.start;
  }
  return null;
}
