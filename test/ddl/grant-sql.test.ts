import { expect, test } from 'vitest';
import type { Grant } from '../../src/model/table-shape.js';
import { grantStatements } from '../../src/ddl/grant-sql.js';
import { grant } from './a-shape.js';

function statements(
  grants: readonly Grant[],
  columnGrants: readonly { column: string; grants: readonly Grant[] }[] = [],
) {
  const [revoke, ...rest] = grantStatements({
    kind: 'table',
    name: { schema: 's', name: 't' },
    owner: 'owner',
    grants,
    columnGrants,
  });
  expect(revoke).toMatch(/^do /);
  return rest;
}

test('privileges that differ in nothing else go together', () => {
  expect(
    statements(
      [
        grant('owner', 'SELECT'),
        grant('a', 'SELECT'),
        grant('a', 'INSERT'),
        grant('a', 'UPDATE', { grantable: true }),
        grant(null, 'SELECT'),
      ],
      [{ column: 'x"y', grants: [grant('a', 'SELECT'), grant('a', 'UPDATE')] }],
    ),
  ).toEqual([
    'grant select on table "s"."t" to "owner"',
    'grant select, insert on table "s"."t" to "a"',
    'grant update on table "s"."t" to "a" with grant option',
    'grant select on table "s"."t" to public',
    'grant select ("x""y"), update ("x""y") on table "s"."t" to "a"',
  ]);
});

test('a grant comes after the one that its grantor has it from, and is made as the grantor', () => {
  const asRole = (role: string, statement: string): string[] => [
    `grant usage on schema "s" to "${role}"`,
    `set local role "${role}"`,
    statement,
    'reset role',
    `revoke usage on schema "s" from "${role}"`,
  ];
  expect(
    statements([
      grant('c', 'SELECT', { grantor: 'b' }),
      grant('b', 'SELECT', { grantor: 'a', grantable: true }),
      grant('a', 'SELECT', { grantable: true }),
      grant('b', 'INSERT', { grantable: true }),
    ]),
  ).toEqual([
    'grant select on table "s"."t" to "a" with grant option',
    ...asRole('a', 'grant select on table "s"."t" to "b" with grant option'),
    ...asRole('b', 'grant select on table "s"."t" to "c"'),
    'grant insert on table "s"."t" to "b" with grant option',
  ]);
});

test('a column can be granted by who may grant the whole table, and grants in a circle end', () => {
  expect(
    statements(
      [grant('a', 'SELECT', { grantable: true })],
      [{ column: 'x', grants: [grant('b', 'SELECT', { grantor: 'a' })] }],
    ),
  ).toContain('grant select ("x") on table "s"."t" to "b"');
  const circle = [
    grant('a', 'SELECT', { grantor: 'b', grantable: true }),
    grant('b', 'SELECT', { grantor: 'a', grantable: true }),
  ];
  expect(statements(circle).filter((statement) => statement.includes('select'))).toHaveLength(2);
});
