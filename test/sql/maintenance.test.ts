import { expect, test } from 'vitest';
import { maintenanceOf } from '../../src/sql/maintenance.js';

test.each([
  ['VACUUM', 'none', true],
  ['/* nightly */ vacuum (verbose, freeze) "Other", b;', 'none', true],
  ['vacuum (full off, analyze false) t', 'none', true],
  ['vacuum analyze t', 'of-the-table', true],
  ['vacuum full', 'of-the-table', true],
  ['vacuum (full 1) t', 'of-the-table', true],
  ['analyze verbose t (a)', 'of-the-table', false],
  ['create index concurrently i on t (a)', 'none', true],
  ['create unique index i on t (a)', 'none', false],
  ['create index concurrently on t (f(a))', 'of-a-new-index', true],
  ['create index concurrently on t (a) where a > 1', 'of-a-new-index', true],
  ['reindex table concurrently t', 'of-the-table', true],
  ['reindex (concurrently) index i', 'of-the-table', true],
  ['reindex index i', 'of-the-table', false],
  ['reindex schema s', 'of-the-table', true],
  ['cluster t', 'of-the-table', false],
  ['cluster', 'of-the-table', true],
])('%s', (query, runs, ownTransaction) => {
  expect(maintenanceOf(query)).toEqual({ runs, ownTransaction });
});

test.each([
  'select 1',
  'begin isolation level repeatable read; analyze t; select * from u',
  'analyze t; select * from u',
  'refresh materialized view m',
  'copy t to stdout',
  'vacuum t, u, v, a_name_that_was_cut_o"ff',
  "create index concurrently i on t (a) where b = 'cut",
  '<insufficient privilege>',
  '',
])('no maintenance: %s', (query) => {
  expect(maintenanceOf(query)).toBeNull();
});
