import { expect, test } from 'vitest';
import { capturesOn, removeCaptureStatements } from '../../src/capture/removal.js';
import { openCapture } from '../../src/capture/open-capture.js';
import type { Capture } from '../../src/capture/capture.js';

const table = { schema: 'public', name: 'orders' };

function captureNamed(suffix: string): Capture {
  return openCapture('triggers', {
    direction: 'forward',
    id: 7,
    identity: '00000000-0000-4000-8000-000000000007',
    suffix,
    table,
    key: {
      index: 'orders_pkey',
      columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'bigint' }],
      projection: { alias: 'orders', layers: [] },
      needsHelperIndex: false,
    },
    active: { now: 0, read: () => Promise.resolve(0), storeStatement: () => '' },
  });
}

test('triggers are intact as long as they are the same ones', () => {
  const capture = captureNamed('7');
  expect(capture.isIntact('(1,2,A)', '(1,2,A)')).toBe(true);
  expect(capture.isIntact('(1,3,D)', '(1,2,A)')).toBe(false);
  expect(capture.isIntact(null, '(1,2,A)')).toBe(false);
  // Before there is anything on record.
  expect(capture.isIntact('(1,2,A)', null)).toBe(true);
  expect(capture.isIntact(null, null)).toBe(false);
  expect(capture.interruption()).toBe(
    'the capture triggers on public.orders were dropped, disabled or replaced: writes may be missing from the log',
  );
});

test('the log goes on where it was redirected to', () => {
  const { keeper } = captureNamed('7');
  expect(keeper.active.name).toBe('log_7');
  expect(keeper.others.map(({ name }) => name)).toEqual(['pending_7', 'log_b_7']);
});

test('a migration may have several captures, on one table too: they share no name', () => {
  const [there, back] = [captureNamed('7'), captureNamed('7_back')];
  const names = ({ own, tables }: Capture): string[] => [
    ...own.triggers,
    ...tables.map(({ schema, name }) => `${schema}.${name}`),
  ];
  expect(names(there)).toHaveLength(6);
  expect(names(there).filter((name) => names(back).includes(name))).toEqual([]);
  const objects = (capture: Capture): string[] =>
    capture.dropStatements().flatMap((text) => text.match(/"ghost"\."\w+"/g) ?? []);
  const [made, others] = [objects(there), objects(back)];
  expect(made).toHaveLength(7);
  expect(made.filter((name) => others.includes(name))).toEqual([]);
});

test('what takes it away goes by the marks, wherever capture is', () => {
  const direction = 'forward' as const;
  const own = {
    schemas: [],
    publications: [{ name: 'ghost_capture_7', table: { oid: 1, ...table } }],
    slots: ['ghost_7_x'],
    functions: [{ schema: 'ghost', name: 'capture_7', direction }],
    tables: [{ schema: 'ghost', name: 'log_7', direction }],
    types: [{ schema: 'ghost', name: 'key_7', direction }],
    triggers: [
      { name: 'a', table: { oid: 1, ...table }, direction },
      { name: 'b', table: { oid: 1, ...table }, direction },
      { name: 'a', table: { oid: 2, schema: 'public', name: 'copy' }, direction },
    ],
  };
  expect(capturesOn(own)).toEqual([
    {
      table: { oid: 1, ...table },
      statements: ['drop trigger "a" on "public"."orders"', 'drop trigger "b" on "public"."orders"'],
      lock: 'ACCESS EXCLUSIVE',
    },
    {
      table: { oid: 2, schema: 'public', name: 'copy' },
      statements: ['drop trigger "a" on "public"."copy"'],
      lock: 'ACCESS EXCLUSIVE',
    },
  ]);
  expect(removeCaptureStatements(own)).toEqual([
    'drop publication "ghost_capture_7"',
    'drop function "ghost"."capture_7"()',
    'drop table "ghost"."log_7"',
    'drop type "ghost"."key_7"',
  ]);
});
