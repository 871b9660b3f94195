import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ident } from '../../src/sql/quote.js';
import { retargetRelation, type RelationReference } from '../../src/sql/retarget.js';

const to = { schema: 'ghost_new_1', name: 'orders' };

describe('retargetRelation', () => {
  test.each<[string, RelationReference, string]>([
    [
      'CREATE UNIQUE INDEX orders_pkey ON public.orders USING btree (id)',
      { schema: 'public', name: 'orders' },
      'CREATE UNIQUE INDEX orders_pkey ON "ghost_new_1"."orders" USING btree (id)',
    ],
    [
      'CREATE INDEX i ON ONLY "Größe 😀"."or""ders" USING btree (lower(orders)) WHERE (orders > 3)',
      { schema: 'Größe 😀', name: 'or"ders' },
      'CREATE INDEX i ON ONLY "ghost_new_1"."orders" USING btree (lower(orders)) WHERE (orders > 3)',
    ],
    [
      'alter table if exists Orders * add orders int',
      { name: 'orders' },
      'alter table if exists "ghost_new_1"."orders" * add orders int',
    ],
    [
      '/* orders */ alter table public /* x */ . -- orders\n orders drop column orders',
      { schema: 'public', name: 'orders' },
      'alter table "ghost_new_1"."orders" drop column orders',
    ],
    [
      'alter table orders add foreign key (parent) references orders, add check (orders.total > 0)',
      { name: 'orders' },
      'alter table "ghost_new_1"."orders" add foreign key (parent) references "ghost_new_1"."orders", add check (orders.total > 0)',
    ],
    [
      'drop index concurrently if exists a.orders, orders, b.orders cascade',
      { name: 'orders' },
      'drop index concurrently if exists a.orders, "ghost_new_1"."orders", b.orders cascade',
    ],
    [
      'drop index orders, orders',
      { name: 'orders' },
      'drop index "ghost_new_1"."orders", "ghost_new_1"."orders"',
    ],
    [
      "comment on column a.orders.orders is 'orders'",
      { schema: 'a', name: 'orders' },
      `comment on column "ghost_new_1"."orders".orders is 'orders'`,
    ],
    [
      "comment on column orders.orders is 'orders'",
      { name: 'orders' },
      `comment on column "ghost_new_1"."orders".orders is 'orders'`,
    ],
    [
      "comment on constraint orders on orders is 'orders'",
      { name: 'orders' },
      `comment on constraint orders on "ghost_new_1"."orders" is 'orders'`,
    ],
    [
      "comment on index a.orders is 'a.orders'",
      { schema: 'a', name: 'orders' },
      `comment on index "ghost_new_1"."orders" is 'a.orders'`,
    ],
    [
      'comment on table orders is null',
      { name: 'orders' },
      'comment on table "ghost_new_1"."orders" is null',
    ],
    [
      'alter index orders rename to orders',
      { name: 'orders' },
      'alter index "ghost_new_1"."orders" rename to orders',
    ],
    [
      'alter table orders rename orders to x',
      { name: 'orders' },
      'alter table "ghost_new_1"."orders" rename orders to x',
    ],
  ])('%s', (text, from, expected) => {
    expect(retargetRelation(text, from, to)).toBe(expected);
  });

  test('a name with another schema is another relation', () => {
    expect(() => retargetRelation('alter table a.orders add x int', { name: 'orders' }, to)).toThrow(
      'does not name orders',
    );
    expect(() =>
      retargetRelation('alter table orders add x int', { schema: 'a', name: 'orders' }, to),
    ).toThrow('does not name');
    expect(() =>
      retargetRelation('alter table db.a.orders add x int', { schema: 'a', name: 'orders' }, to),
    ).toThrow('does not name');
  });

  test('several statements are an error', () => {
    expect(() =>
      retargetRelation('alter table orders add x int; drop table orders', { name: 'orders' }, to),
    ).toThrow('expected one statement');
  });

  test('any names, wherever else they occur in the text', () => {
    // Names that PostgreSQL can have: no NUL, at most 63 bytes, not empty; lone surrogates are not text.
    const name = fc
      .oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 15 }),
        fc.constantFrom(
          'orders',
          'public',
          'é',
          '😀',
          'a"b',
          "it's",
          '--',
          '/*',
          'x.y',
          'only',
          '$$',
          'U&"x"',
        ),
      )
      .filter((text) => !text.includes('\0') && isWellFormed(text) && Buffer.byteLength(text) < 60);
    fc.assert(
      fc.property(name, name, name, name, name, (schema, table, column, newSchema, newTable) => {
        const target = { schema: newSchema, name: newTable };
        const statements = (relation: string): string[] => [
          `create index ${ident(table)} on only ${relation} using btree (lower(${ident(column)})) where ${ident(table)} > 'a'`,
          `alter table ${relation} rename ${ident(table)} to ${ident(column)}`,
          `comment on constraint ${ident(table)} on ${relation} is 'x'`,
          `comment on column ${relation}.${ident(table)} is 'x'`,
          `drop index ${ident(schema)}.${ident(`${table}!`)}, ${relation}`,
        ];
        const before = statements(`${ident(schema)}.${ident(table)}`);
        const after = statements(`${ident(newSchema)}.${ident(newTable)}`);
        expect(before.map((text) => retargetRelation(text, { schema, name: table }, target))).toEqual(after);
      }),
    );
  });
});

function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}
