/** One statement of the request: what it is about, and its actions. */
import type { AlterTableStmt, CommentStmt, DropStmt, IndexStmt, Node, RenameStmt } from 'libpg-query';
import type { Refusal } from '../../errors.js';
import type { Statement } from '../../sql/parse.js';
import { removeKeyword } from '../../sql/remove-keyword.js';
import { rangeReference, type RelationReference } from '../../sql/retarget.js';
import { oneLine } from '../../sql/split-actions.js';
import { stringList } from '../../sql/syntax-tree.js';
import { alterTableActions } from './actions.js';
import type { Action, ActionKind, ChangeStatement, IndexReference } from './types.js';
import { renameTable, unsupportedStatement } from './unsupported.js';

export interface ReadStatement {
  /** null when the kind of statement is refused. */
  readonly statement: ChangeStatement | null;
  readonly refusals: readonly Refusal[];
}

export function readStatement(statement: Statement): ReadStatement {
  const { text, tree } = statement;
  if ('AlterTableStmt' in tree) return readAlter(statement, tree.AlterTableStmt);
  if ('RenameStmt' in tree) return readRename(statement, tree.RenameStmt);
  if ('IndexStmt' in tree) return readCreateIndex(text, tree.IndexStmt);
  if ('DropStmt' in tree && tree.DropStmt.removeType === 'OBJECT_INDEX')
    return readDropIndex(text, tree.DropStmt);
  if ('CommentStmt' in tree) return readComment(statement, tree.CommentStmt);
  return refused(unsupportedStatement(text, tree));
}

function refused(refusal: Refusal): ReadStatement {
  return { statement: null, refusals: [refusal] };
}

function readAlter({ text, tree }: Statement, alter: AlterTableStmt): ReadStatement {
  const { actions, refusals } = alterTableActions(text, alter.cmds ?? []);
  const relation = rangeReference(alter.relation);
  if (relation !== null && alter.objtype === 'OBJECT_TABLE') {
    return { statement: { text, actions, table: relation, indexes: [] }, refusals };
  }
  if (relation !== null && alter.objtype === 'OBJECT_INDEX') {
    const index = { ...relation, ifExists: alter.missing_ok ?? false };
    return { statement: { text, actions, table: null, indexes: [index] }, refusals };
  }
  return refused(unsupportedStatement(text, tree));
}

function readRename({ text, tree }: Statement, rename: RenameStmt): ReadStatement {
  const relation = rangeReference(rename.relation);
  if (relation === null) return refused(unsupportedStatement(text, tree));
  const column = rename.subname ?? null;
  switch (rename.renameType) {
    case 'OBJECT_COLUMN':
      if (rename.relationType !== 'OBJECT_TABLE') return refused(unsupportedStatement(text, tree));
      return single(text, action('rename column', text, { column }), { table: relation });
    case 'OBJECT_TABCONSTRAINT':
      return single(text, action('rename constraint', text, { constraint: column }), { table: relation });
    case 'OBJECT_INDEX':
      return single(text, action('rename index', text), {
        indexes: [{ ...relation, ifExists: rename.missing_ok ?? false }],
      });
    case 'OBJECT_TABLE':
      return refused(renameTable(oneLine(text)));
    default:
      return refused(unsupportedStatement(text, tree));
  }
}

function readCreateIndex(text: string, index: IndexStmt): ReadStatement {
  const table = rangeReference(index.relation);
  if (table === null) return refused(unsupportedStatement(text, { IndexStmt: index }));
  const { concurrent = false, ...plain } = index;
  // Nobody reads the new table while its indexes are built: CONCURRENTLY has nothing to spare there.
  const own = concurrent ? removeKeyword(text, 'concurrently', { IndexStmt: plain }) : text;
  return single(own, action('create index', text), { table });
}

function readDropIndex(text: string, drop: DropStmt): ReadStatement {
  const { concurrent = false, ...plain } = drop;
  const own = concurrent ? removeKeyword(text, 'concurrently', { DropStmt: plain }) : text;
  const indexes = (drop.objects ?? []).flatMap((object): IndexReference[] => {
    const reference = nameReference(listNames(object), 0);
    return reference === null ? [] : [{ ...reference, ifExists: drop.missing_ok ?? false }];
  });
  return single(own, action('drop index', text), { indexes });
}

function readComment({ text, tree }: Statement, comment: CommentStmt): ReadStatement {
  const names = listNames(comment.object);
  const last = names?.at(-1) ?? null;
  const onTable = nameReference(names, comment.objtype === 'OBJECT_TABLE' ? 0 : 1);
  const onIndex = nameReference(names, 0);
  if (comment.objtype === 'OBJECT_INDEX' && onIndex !== null) {
    return single(text, action('comment', text), { indexes: [{ ...onIndex, ifExists: false }] });
  }
  if (onTable === null) return refused(unsupportedStatement(text, tree));
  switch (comment.objtype) {
    case 'OBJECT_TABLE':
      return single(text, action('comment', text), { table: onTable });
    case 'OBJECT_COLUMN':
      return single(text, action('comment', text, { column: last }), { table: onTable });
    case 'OBJECT_TABCONSTRAINT':
      return single(text, action('comment', text, { constraint: last }), { table: onTable });
    default:
      return refused(unsupportedStatement(text, tree));
  }
}

function single(
  text: string,
  only: Action,
  about: { table?: RelationReference; indexes?: readonly IndexReference[] },
): ReadStatement {
  return {
    statement: { text, actions: [only], table: about.table ?? null, indexes: about.indexes ?? [] },
    refusals: [],
  };
}

function action(
  kind: ActionKind,
  text: string,
  about: { column?: string | null; constraint?: string | null } = {},
): Action {
  return {
    kind,
    label: oneLine(text),
    column: about.column ?? null,
    constraint: about.constraint ?? null,
    using: null,
    default: null,
  };
}

function listNames(object: Node | undefined): string[] | null {
  return object !== undefined && 'List' in object ? stringList(object.List.items) : null;
}

/** The relation in a list of names of which the last `after` are not its own. */
function nameReference(names: readonly string[] | null, after: number): RelationReference | null {
  const own = names?.slice(0, names.length - after) ?? [];
  const [name, schema, ...more] = own.toReversed();
  if (name === undefined || more.length > 0) return null;
  return schema === undefined ? { name } : { schema, name };
}
