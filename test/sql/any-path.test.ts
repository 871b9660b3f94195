import { expect, test } from 'vitest';
import { indexOnAnyPath, onAnyPath, typeOnAnyPath } from '../../src/sql/any-path.js';
import { inStoredForm } from '../../src/sql/stored-form.js';

test('what has no schema gets that of the catalog', () => {
  expect(onAnyPath(`lower(name)`)).toBe('pg_catalog.lower(name)');
  expect(onAnyPath(`((a + 1) * app.f(b))`)).toBe(
    '((a OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog.*) app.f(b))',
  );
  expect(onAnyPath(`(a OPERATOR(app.+) 1)`)).toBe('(a OPERATOR(app.+) 1)');
  expect(onAnyPath(`('é'::text || (x)::text)`)).toBe(
    `('é'::pg_catalog.text OPERATOR(pg_catalog.||) (x)::pg_catalog.text)`,
  );
  expect(onAnyPath(`((s)::text = ANY ((ARRAY['a'::character varying])::text[]))`)).toBe(
    `((s)::pg_catalog.text OPERATOR(pg_catalog.=) ANY ((ARRAY['a'::character varying])::pg_catalog.text[]))`,
  );
  expect(onAnyPath(`(a COLLATE "C")`)).toBe('(a COLLATE pg_catalog."C")');
  expect(onAnyPath(`EXTRACT(year FROM d)`)).toBe('EXTRACT(year FROM d)');
  expect(onAnyPath(`(- a)`)).toBe('(OPERATOR(pg_catalog.-) a)');
  expect(onAnyPath(`COALESCE(a, '-1'::integer)`)).toBe(`COALESCE(a, '-1'::integer)`);
});

test('types too; keywords mean those of the catalog by themselves', () => {
  expect(
    ['date', 'text[]', 'bigint', 'numeric(10,2)', '"char"', 'timestamp(3) with time zone', 'app.mood'].map(
      typeOnAnyPath,
    ),
  ).toEqual([
    'pg_catalog.date',
    'pg_catalog.text[]',
    'bigint',
    'numeric(10,2)',
    'pg_catalog."char"',
    'timestamp(3) with time zone',
    'app.mood',
  ]);
});

test('an index, unless a name in it has no place in the tree', () => {
  expect(indexOnAnyPath(`CREATE INDEX i ON s.t USING btree (lower(a), (b + 1)) WHERE (c > 0)`)).toBe(
    'CREATE INDEX i ON s.t USING btree (pg_catalog.lower(a), (b OPERATOR(pg_catalog.+) 1)) WHERE (c OPERATOR(pg_catalog.>) 0)',
  );
  expect(indexOnAnyPath(`CREATE INDEX i ON s.t USING btree (a text_pattern_ops)`)).toBeNull();
  expect(indexOnAnyPath(`CREATE INDEX i ON s.t USING btree (a COLLATE "C")`)).toBeNull();
});

test('a cast of an array stays a cast of an array', () => {
  const check = (text: string): string => `alter table t add check (${text})`;
  expect(
    inStoredForm(check(`(s)::text = ANY ((ARRAY['a'::character varying, 'b]'::character varying])::text[])`)),
  ).toBe(
    check(
      `(s)::text = ANY ((ARRAY['a'::character varying, 'b]'::character varying]::"pg_catalog"."varchar"[])::text[])`,
    ),
  );
  const others = [
    `s = ANY (ARRAY['a'::text, 'b'::text])`,
    `s = ANY (ARRAY[a, b]::text[])`,
    `s = '{}'::text[]`,
  ];
  for (const other of others) expect(inStoredForm(check(other))).toBe(check(other));
});
