/**
 * Expressions in which the table or a part of it stands as a value (`'app.orders'::regclass`). In the new table they mean
 * the new table, under another OID and, until the swap, another name: where something is computed from that before the swap
 * and kept, it would be another value than the table's own.
 */
import type { Index, TableShape } from '../../model/table-shape.js';
import { indexMoves, ownMoves } from '../../ddl/own-names.js';
import type { Refusal } from '../../errors.js';
import { parseStatement } from '../../sql/parse.js';
import { hasConstantOf, retargetNames, type NameMove } from '../../sql/retarget-names.js';
import { columnReferences } from '../../sql/column-references.js';
import { stringList, walkTree } from '../../sql/syntax-tree.js';
import type { ColumnSource } from '../mapping/column-source.js';

/** @param target the changed clone, in whose texts the source may still be named */
export function checkSelfReferences(
  source: TableShape,
  target: TableShape,
  sources: readonly ColumnSource[],
): Refusal[] {
  const moves = [...ownMoves(target, ''), ...ownMoves(source, '')];
  const ofIndexes = [...indexMoves(target, ''), ...indexMoves(source, '')];
  return [
    ...target.columns
      .filter((column) => column.generated === 'stored' && hasConstantOf(column.default ?? 'null', moves))
      .map(({ name }) =>
        refusal(
          `generated column ${name}: its expression names the table itself, and the stored values would be those of another table`,
          'drop the column before, and add it again after the migration',
        ),
      ),
    ...target.indexes
      .filter((index) => isComputed(index, moves) || namesIn(index.definition, ofIndexesOf(index, ofIndexes)))
      .map(({ name }) =>
        refusal(
          `index ${name}: an expression in it names the table itself, and is evaluated before the new table has the name`,
          'drop the index before, and create it again after the migration',
        ),
      ),
    ...target.constraints
      .filter(
        ({ type, definition }) => type === 'check' && namesIn(`alter table t add ${definition}`, ofIndexes),
      )
      .map(({ name }) =>
        refusal(
          `constraint ${name}: it names an index of the table, which is not there while rows are copied`,
          'drop it before, and add it again NOT VALID after the migration',
        ),
      ),
    ...sources
      .filter(
        ({ how, value, target: column }) =>
          how === 'default' && value === null && hasConstantOf(column.default ?? 'null', moves),
      )
      .map(({ target: column }) =>
        refusal(
          `column ${column.name} is added with a default that names the table itself, and is evaluated for each row while the new table is built`,
          `add it without the default, and give existing rows a value with --set ${column.name}=EXPRESSION`,
        ),
      ),
  ];
}

function refusal(message: string, hint: string): Refusal {
  return { code: 'self-reference', message, hint };
}

/** By code that is not PostgreSQL's own: what it does with the constant nobody can know, whatever it is declared as. */
function isComputed({ keys, predicate }: Index, moves: readonly NameMove[]): boolean {
  return [...keys.map(({ expression }) => expression), predicate ?? 'null'].some(
    (expression) => hasConstantOf(expression, moves) && callsUserCode(expression),
  );
}

/** Under an empty `search_path` all names but those of pg_catalog have their schema. */
export function callsUserCode(expression: string): boolean {
  const { tree } = parseStatement(`select ${expression}`);
  let operators = false;
  walkTree(tree, ({ A_Expr: operation }) => {
    const name = (operation as { name?: unknown } | undefined)?.name;
    if ((stringList(name) ?? []).length > 1) operators = true;
  });
  return operators || columnReferences(tree).functions.some((path) => path.length > 1);
}

function namesIn(statement: string, moves: readonly NameMove[]): boolean {
  return retargetNames(statement, moves) !== statement;
}

/** Its own name is in each definition of an index, unqualified: that is none. */
function ofIndexesOf({ name }: Index, moves: readonly NameMove[]): NameMove[] {
  return moves.filter(({ from }) => from.name !== name);
}
