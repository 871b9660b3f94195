/** Messages of pgoutput, from their bytes (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html). */
import { expect, test } from 'vitest';
import { lsnText, MessageReader, toLsn } from '../../src/capture/logical/messages.js';

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int = (bytes: 1 | 2 | 4 | 8, value: number | bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(8 - bytes);
};
const value = (of: string): Buffer => Buffer.concat([Buffer.from('t'), int(4, of.length), Buffer.from(of)]);
const oid = 4_000_000_000;

/** A table with the key (a timestamptz, b json), both of its replica identity, and a column that is not. */
const relation = Buffer.concat([
  Buffer.from('R'),
  int(4, oid),
  text('public'),
  text('t'),
  Buffer.from('d'),
  int(2, 3),
  ...[
    ['a', 1184, 1],
    ['b', 114, 1],
    ['c', 20, 0],
  ].flatMap(([name, type, flag]) => [
    int(1, Number(flag)),
    text(String(name)),
    int(4, Number(type)),
    int(4, -1),
  ]),
]);

test('transaction ids and OIDs are unsigned, positions are whole', () => {
  const reader = new MessageReader();
  const begin = Buffer.concat([Buffer.from('B'), int(8, 0xa_0000_00ffn), int(8, 0), int(4, 4_294_967_290)]);
  expect(reader.read(begin)).toEqual({ kind: 'begin', xid: 4_294_967_290, commit: 0xa_0000_00ffn });
  const commit = Buffer.concat([Buffer.from('C'), int(1, 0), int(8, 1), int(8, 0xa_0000_0140n), int(8, 0)]);
  expect(reader.read(commit)).toEqual({ kind: 'commit', end: 0xa_0000_0140n });
  expect(reader.read(relation)).toEqual({
    kind: 'relation',
    relation: oid,
    columns: ['a', 'b', 'c'],
    identity: ['a', 'b'],
  });
});

test('values are the texts that were sent, to the last digit', () => {
  const reader = new MessageReader();
  reader.read(relation);
  const row = ['2026-01-01 00:00:00.123456+00', '{"n": 12345678901234567890}', '9007199254740993'];
  const insert = Buffer.concat([
    Buffer.from('I'),
    int(4, oid),
    Buffer.from('N'),
    int(2, 3),
    ...row.map(value),
  ]);
  expect(reader.read(insert)).toEqual({
    kind: 'insert',
    relation: oid,
    after: { a: row[0], b: row[1], c: row[2] },
  });
  const former = Buffer.concat([Buffer.from('K'), int(2, 3), value('one'), value('two'), Buffer.from('n')]);
  const after = Buffer.concat([Buffer.from('N'), int(2, 3), ...row.map(value)]);
  expect(reader.read(Buffer.concat([Buffer.from('U'), int(4, oid), former, after]))).toMatchObject({
    kind: 'update',
    before: { a: 'one', b: 'two' },
    after: { a: row[0] },
  });
  expect(reader.read(Buffer.concat([Buffer.from('U'), int(4, oid), after]))).toMatchObject({ before: null });
  expect(reader.read(Buffer.concat([Buffer.from('D'), int(4, oid), former]))).toMatchObject({
    kind: 'delete',
    before: { a: 'one', b: 'two' },
  });
  expect(reader.read(Buffer.concat([Buffer.from('T'), int(4, 1), int(1, 0), int(4, oid)]))).toEqual({
    kind: 'truncate',
    relations: [oid],
  });
});

test('positions as text and back', () => {
  for (const lsn of ['0/0', '0/15E1B28', 'A/FF', 'FFFFFFFF/FFFFFFFF']) expect(lsnText(toLsn(lsn))).toBe(lsn);
  expect(toLsn('00000001/000000FF')).toBe(0x1_0000_00ffn);
  expect(toLsn(null)).toBe(0n);
});
