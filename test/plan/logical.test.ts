/** What stands against capture from the WAL. */
import { expect, test } from 'vitest';
import type { LogicalFacts } from '../../src/catalog/logical.js';
import { checkFailoverSlot, checkLogical } from '../../src/plan/checks/logical.js';
import { aPlan } from '../report/a-plan.js';

const key = aPlan.key.columns.map(({ name }) => name);
const able: LogicalFacts = {
  role: 'dba',
  mayReplicate: true,
  mayPublish: true,
  database: 'shop',
  walLevel: 'logical',
  walLevelRises: false,
  freeSlots: 1,
  maxSlots: 10,
  freeSenders: 1,
  maxSenders: 10,
  replicaIdentity: 'd',
  identityColumns: key,
  generatedColumns: [],
  generatedIdentity: [],
};

test('nothing, where all of it is there', () => {
  expect(checkLogical(able, aPlan)).toEqual([]);
  expect(checkLogical({ ...able, replicaIdentity: 'f', identityColumns: [] }, aPlan)).toEqual([]);
  expect(checkLogical({ ...able, identityColumns: [...key, 'more'] }, aPlan)).toEqual([]);
});

test.each([
  ['wal-level', { walLevel: 'replica' }],
  ['no-free-slot', { freeSlots: 0 }],
  ['no-free-sender', { freeSenders: 0 }],
  ['replication-right', { mayReplicate: false }],
  ['publish-right', { mayPublish: false }],
  ['replica-identity', { identityColumns: [] }],
  ['replica-identity', { identityColumns: ['another'] }],
  ['replica-identity', { replicaIdentity: 'n', identityColumns: [] }],
  ['generated-key', { generatedColumns: key }],
  ['generated-identity', { generatedIdentity: ['total'] }],
] as const)('%s, with what makes it possible: %o', (code, facts) => {
  const refusals = checkLogical({ ...able, ...facts }, aPlan);
  expect(refusals.map((refusal) => refusal.code)).toEqual([code]);
  expect(refusals[0]?.hint).toMatch(/\S/u);
});

test('a server that raises wal_level by itself', () => {
  expect(checkLogical({ ...able, walLevel: 'replica', walLevelRises: true }, aPlan)).toEqual([]);
});

test.each([
  [160004, 'logical', true, ['failover-slot']],
  [140000, 'auto', true, ['failover-slot']],
  [170000, 'logical', true, []],
  [180001, 'auto', true, []],
  [180001, 'triggers', true, ['failover-slot']],
  [140000, 'logical', false, []],
] as const)('on %d with --capture %s and a failover slot %o: %o', (version, capture, failoverSlot, codes) => {
  expect(checkFailoverSlot(version, { capture, failoverSlot }).map(({ code }) => code)).toEqual(codes);
});

test('rows of an unlogged table are not in the WAL', () => {
  const unlogged = { ...aPlan, source: { ...aPlan.source, unlogged: true } };
  expect(checkLogical(able, unlogged).map(({ code }) => code)).toEqual(['unlogged-table']);
});

test('keys that may collide are counted, which only triggers do', () => {
  const colliding = { ...aPlan, key: { ...aPlan.key, mayCollide: true } };
  expect(checkLogical(able, colliding).map(({ code }) => code)).toEqual(['keys-counted']);
});

test('all of it at once: nobody wants to ask twice', () => {
  const facts = { ...able, walLevel: 'minimal', mayReplicate: false, identityColumns: [] };
  expect(checkLogical(facts, aPlan).map(({ code }) => code)).toEqual([
    'wal-level',
    'replication-right',
    'replica-identity',
  ]);
});
