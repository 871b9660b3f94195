import { describe, expect, test } from 'vitest';
import { retargetExpression, retargetNames } from '../../src/sql/retarget-names.js';

const moves = [
  { from: { schema: 'app', name: 'orders' }, to: { schema: 'S', name: 'orders' } },
  { from: { schema: 'app', name: 'Über' }, to: { schema: 'S_1', name: 'Über' } },
];

describe('names of relations in a text of PostgreSQL', () => {
  test.each([
    [
      'a view',
      'SELECT orders.id FROM app.orders WHERE orders.id > 1',
      'SELECT orders.id FROM "S"."orders" WHERE orders.id > 1',
    ],
    [
      'several, behind letters of more than one byte',
      `SELECT 'ä€', "Über".x FROM (app."Über" JOIN app.orders USING (id))`,
      `SELECT 'ä€', "Über".x FROM ("S_1"."Über" JOIN "S"."orders" USING (id))`,
    ],
    ['a row type', 'SELECT ROW(1)::app.orders', 'SELECT ROW(1)::"S"."orders"'],
    [
      'a trigger',
      'CREATE TRIGGER t AFTER UPDATE OF orders ON app.orders FOR EACH ROW EXECUTE FUNCTION app.orders()',
      'CREATE TRIGGER t AFTER UPDATE OF orders ON "S"."orders" FOR EACH ROW EXECUTE FUNCTION app.orders()',
    ],
    [
      'a rule',
      'CREATE RULE r AS ON INSERT TO app.orders DO ALSO INSERT INTO app.audit SELECT * FROM app.orders',
      'CREATE RULE r AS ON INSERT TO "S"."orders" DO ALSO INSERT INTO app.audit SELECT * FROM "S"."orders"',
    ],
    [
      'a function',
      'CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM app.orders; END',
      'CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM "S"."orders"; END',
    ],
    [
      'none of them',
      'SELECT orders.id FROM public.orders, other',
      'SELECT orders.id FROM public.orders, other',
    ],
    [
      'constants: relations, row types, arrays of them',
      `SELECT 'app."Über"'::regclass, '{app.orders,pg_class,"app.\\"Über\\"",NULL}'::regclass[], 'app.orders[]'::regtype`,
      `SELECT '"S_1"."Über"'::regclass, E'{"\\\\"S\\\\".\\\\"orders\\\\"","pg_class","\\\\"S_1\\\\".\\\\"Über\\\\"",NULL}'::regclass[], '"S"."orders"[]'::regtype`,
    ],
    [
      'constants that are none of them',
      `SELECT 'orders'::regclass, '-'::regclass, '4711'::regclass, 'app.orders'::text, 'app.lines'::regclass, 'integer'::regtype`,
      `SELECT 'orders'::regclass, '-'::regclass, '4711'::regclass, 'app.orders'::text, 'app.lines'::regclass, 'integer'::regtype`,
    ],
    ['a text that only looks like it', `SELECT 'app.orders'`, `SELECT 'app.orders'`],
  ])('%s', (_, before, after) => {
    expect(retargetNames(before, moves)).toBe(after);
  });

  test('an expression', () => {
    expect(retargetExpression('(EXISTS ( SELECT 1 FROM app.orders o WHERE (o.id = items.id)))', moves)).toBe(
      '(EXISTS ( SELECT 1 FROM "S"."orders" o WHERE (o.id = items.id)))',
    );
  });
});
