/**
 * The request as typed statements, by syntax alone: nothing here needs a server. What a well-formed statement asks
 * for and we do not do is collected as refusals, so that a user sees all of them at once.
 */
import { UsageError, type Refusal } from '../../errors.js';
import { parseExpression, parseName, parseStatements, type Statement } from '../../sql/parse.js';
import { columnReferences } from '../../sql/column-references.js';
import type { RelationReference } from '../../sql/retarget.js';
import { ident } from '../../sql/quote.js';
import type { Change, SetExpression, UserExpression } from './types.js';
import { readStatement } from './statement.js';
import type { ChangeRequest } from '../../model/change-request.js';

/**
 * @throws UsageError `syntax-error`, `bad-name`, `several-statements`, `empty-change`, `set-twice`, `reverse-twice`
 */
export function readChange(request: ChangeRequest): Change {
  const table = tableReference(request.table);
  const refusals: Refusal[] = [];
  const statements = [
    ...request.alter.map((actions) => alterStatement(actions, table)),
    ...request.statements.flatMap((text) => parseStatements(text)),
  ].flatMap((statement) => {
    const read = readStatement(statement);
    refusals.push(...read.refusals);
    return read.statement === null ? [] : [read.statement];
  });
  const set = expressions(request.set, 'set');
  const reverse = expressions(request.reverse ?? [], 'reverse');
  if (statements.length + set.length + refusals.length === 0 && !request.rewrite) {
    throw new UsageError('empty-change', 'no change was asked for', {
      hint: 'say what to change with --alter, --file or --set, or --rewrite to rebuild the table as it is',
    });
  }
  return { table, statements, set, reverse, rewrite: request.rewrite, refusals };
}

/** `[SCHEMA.]NAME`, as in SQL. @throws UsageError `bad-name` */
function tableReference(text: string): RelationReference {
  const parts = parseName(text);
  const [name, schema] = parts.toReversed();
  if (name === undefined || parts.length > 2) {
    throw new UsageError('bad-name', `not a table name: ${text}`, { hint: 'write NAME or SCHEMA.NAME' });
  }
  return schema === undefined ? { name } : { schema, name };
}

export function referenceText({ schema, name }: RelationReference): string {
  return schema === undefined ? ident(name) : `${ident(schema)}.${ident(name)}`;
}

function alterStatement(actions: string, table: RelationReference): Statement {
  const [statement, ...more] = parseStatements(actions, { prefix: `alter table ${referenceText(table)} ` });
  if (statement === undefined || more.length > 0) {
    throw new UsageError('several-statements', `--alter takes the actions of one ALTER TABLE: ${actions}`, {
      hint: 'give --alter several times, or put whole statements into a file for --file',
    });
  }
  // Text that continues the name instead of following it.
  const named = readStatement(statement).statement?.table;
  if (named && (named.schema !== table.schema || named.name !== table.name)) {
    throw new UsageError('syntax-error', `not the actions of an ALTER TABLE: ${actions}`);
  }
  return statement;
}

/** What an option gives to columns. @throws UsageError `set-twice`, `reverse-twice` */
function expressions(given: ChangeRequest['set'], option: 'set' | 'reverse'): SetExpression[] {
  const read = given.map(({ column, expression }) => ({
    column: columnName(column, option),
    expression: userExpression(expression),
  }));
  const twice = read.find(
    ({ column }, index) => read.findIndex((other) => other.column === column) !== index,
  );
  if (twice === undefined) return read;
  const message = `--${option} gives column ${twice.column} two values`;
  throw option === 'set' ? new UsageError('set-twice', message) : new UsageError('reverse-twice', message);
}

function columnName(text: string, option: 'set' | 'reverse'): string {
  const [name, ...more] = parseName(text);
  if (name === undefined || more.length > 0) {
    throw new UsageError('bad-name', `not a column name: ${text}`, {
      hint: `write --${option} COLUMN=EXPRESSION`,
    });
  }
  return name;
}

function userExpression(text: string): UserExpression {
  const expression = parseExpression(text);
  return { text: expression.text, references: columnReferences(expression.tree) };
}
