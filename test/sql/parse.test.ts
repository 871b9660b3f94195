import { describe, expect, test } from 'vitest';
import { expressionAfter } from '../../src/sql/expression-text.js';
import { parseExpression, parseName, parseStatement, parseStatements } from '../../src/sql/parse.js';
import { columnReferences } from '../../src/sql/column-references.js';
import { removeKeyword } from '../../src/sql/remove-keyword.js';
import { oneLine } from '../../src/sql/split-actions.js';
import { treesEqual } from '../../src/sql/syntax-tree.js';

test('statements have their exact text, without the comments around them', () => {
  const text = ` /* é */ select '😀;' /* in */ , 1 -- after\n ; ;\tselect "ü" ;-- end`;
  expect(parseStatements(text).map((statement) => statement.text)).toEqual([
    `select '😀;' /* in */ , 1`,
    'select "ü"',
  ]);
  expect(parseStatements(' \n')).toEqual([]);
  expect(() => parseStatement('select 1; select 2')).toThrow('expected one statement');
});

test('control characters, which the scanner does not escape', () => {
  expect(parseStatements(`select 'a\u0001b'\f, "\u001f"`).map(({ text }) => text)).toEqual([
    `select 'a\u0001b'\f, "\u001f"`,
  ]);
});

test('trees are compared without positions', () => {
  const tree = (text: string): unknown => parseStatement(text).tree;
  expect(treesEqual(tree('select a+1'), tree('SELECT  /* x */ "a" + 1'))).toBe(true);
  expect(treesEqual(tree('select a+1'), tree('select A + 2'))).toBe(false);
  expect(treesEqual(tree('select a'), tree('select a as a'))).toBe(false);
  expect(treesEqual(tree('select a, b'), tree('select a'))).toBe(false);
});

test.each([
  ['orders', ['orders']],
  ['App.Orders', ['app', 'orders']],
  ['"App"."a""b.c"', ['App', 'a"b.c']],
  ['U&"\\00e9"', ['é']],
])('name %s', (text, parts) => {
  expect(parseName(text)).toEqual(parts);
});

test('what an expression refers to', () => {
  const { tree } = parseExpression(
    `(a).x + orders.b + app.orders.c + count(orders.*) + pg_catalog.lower(d) + (select 1) + $1 || current_date`,
  );
  expect(columnReferences(tree)).toEqual({
    columns: [['a'], ['orders', 'b'], ['app', 'orders', 'c'], ['orders', null], ['d']],
    functions: [['count'], ['pg_catalog', 'lower']],
    sqlValues: ['CURRENT_DATE'],
    hasSubquery: true,
    hasParameter: true,
  });
});

describe('the text of an expression', () => {
  const using = (text: string): string | null => {
    const { tree } = parseStatement(`alter table t alter c type int using ${text}`);
    const command = 'AlterTableStmt' in tree ? tree.AlterTableStmt.cmds?.[0] : undefined;
    const definition =
      command !== undefined && 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined;
    const value =
      definition !== undefined && 'ColumnDef' in definition ? definition.ColumnDef.raw_default : undefined;
    if (value === undefined) throw new Error('no expression');
    return expressionAfter('using', `alter c type int using ${text}`, value);
  };
  test.each([
    `a + 1`,
    `"using"`,
    `f("using", 'using b') /* x */ + 1`,
    `(case when a then b end)`,
    `a COLLATE "C"`,
  ])('%s', (text) => {
    expect(using(text)).toBe(text);
  });
  test('comments around it are left out', () => {
    expect(using('/* using x */ a -- using y')).toBe('a');
  });
});

test('a keyword is removed where it is one', () => {
  const plain = parseStatement('create index concurrently on t (a)').tree;
  if (!('IndexStmt' in plain)) throw new Error('not an index');
  const { concurrent: _, ...wanted } = plain.IndexStmt;
  expect(removeKeyword('create index CONCURRENTLY on t (a)', 'concurrently', { IndexStmt: wanted })).toBe(
    'create index  on t (a)',
  );
});

test('one line', () => {
  expect(oneLine(`add  column /* x */ c\n\tint -- y\n default 'a  b'`)).toBe(
    `add column c int default 'a  b'`,
  );
});
