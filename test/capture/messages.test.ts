/** Messages of pgoutput, from their bytes (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html). */
import { expect, test } from 'vitest';
import { lsnText, MessageReader, toLsn } from '../../src/capture/logical/messages.js';

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int = (bytes: 1 | 2 | 4 | 8, value: number | bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(8 - bytes);
};
const value = (of: string): Buffer =>
  Buffer.concat([Buffer.from('t'), int(4, Buffer.byteLength(of)), Buffer.from(of)]);
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

/** What a reader tells of `messages`, which it gets in the middle of other bytes. */
function told(positions: readonly number[], ...messages: readonly Buffer[]): unknown[] {
  const calls: unknown[] = [];
  const tell =
    (name: string) =>
    (...values: unknown[]): unknown =>
      calls.push([name, ...values]);
  const reader = new MessageReader(
    { table: oid, positions },
    {
      begin: tell('begin'),
      commit: tell('commit'),
      inserted: tell('inserted'),
      updated: tell('updated'),
      deleted: tell('deleted'),
      truncated: tell('truncated'),
      described: tell('described'),
      message: tell('message'),
    },
  );
  for (const message of messages) {
    const bytes = Buffer.concat([Buffer.from('before'), message, Buffer.from('after')]);
    reader.read(bytes, 6, 6 + message.length);
  }
  return calls;
}

test('transaction ids and OIDs are unsigned, positions are whole', () => {
  const begin = Buffer.concat([Buffer.from('B'), int(8, 0xa_0000_00ffn), int(8, 0), int(4, 4_294_967_290)]);
  const commit = Buffer.concat([Buffer.from('C'), int(1, 0), int(8, 1), int(8, 0xa_0000_0140n), int(8, 0)]);
  expect(told([0, 2], begin, commit, relation)).toEqual([
    ['begin', 4_294_967_290, 0xa_0000_00ffn],
    ['commit', 0xa_0000_0140n],
    // The third is not of the replica identity.
    ['described', [true, false]],
  ]);
});

const row = ['2026-01-01 00:00:00.123456+00', '{"n": 12345678901234567890, "ä": "ß"}', '9007199254740993'];
const after = Buffer.concat([Buffer.from('N'), int(2, 3), ...row.map(value)]);
const former = Buffer.concat([Buffer.from('K'), int(2, 3), value('one'), value('two'), Buffer.from('n')]);
const change = (kind: string, of: number, ...parts: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from(kind), int(4, of), ...parts]);

test('values are the texts that were sent, to the last digit, in the order that was asked for', () => {
  expect(
    told(
      [2, 0, 1],
      relation,
      change('I', oid, after),
      change('U', oid, former, after),
      change('U', oid, Buffer.from('O'), after.subarray(1), after),
      change('U', oid, after),
      change('D', oid, former),
    ).slice(1),
  ).toEqual([
    ['inserted', [row[2], row[0], row[1]]],
    ['updated', [null, 'one', 'two'], [row[2], row[0], row[1]]],
    ['updated', [row[2], row[0], row[1]], [row[2], row[0], row[1]]],
    ['updated', null, [row[2], row[0], row[1]]],
    ['deleted', [null, 'one', 'two']],
  ]);
  const unchanged = Buffer.concat([Buffer.from('N'), int(2, 3), value('one'), Buffer.from('u'), value('')]);
  expect(told([0, 1, 2], relation, change('U', oid, unchanged)).slice(1)).toEqual([
    ['updated', null, ['one', null, '']],
  ]);
});

test('of other tables nothing is told', () => {
  const truncate = (...tables: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from('T'), int(4, tables.length), int(1, 0), ...tables.map((of) => int(4, of))]);
  const other = Buffer.concat([Buffer.from('R'), int(4, 7), relation.subarray(5)]);
  expect(
    told([0], relation, other, change('I', 7, after), truncate(7), truncate(7, oid), change('D', 7, former)),
  ).toEqual([['described', [true]], ['truncated']]);
});

test('messages, and what nobody needs to know', () => {
  const message = Buffer.concat([
    Buffer.from('M'),
    int(1, 1),
    int(8, 1),
    text('pg-ghost'),
    int(4, 5),
    Buffer.from('token'),
  ]);
  const origin = Buffer.concat([Buffer.from('O'), int(8, 1), text('elsewhere')]);
  const type = Buffer.concat([Buffer.from('Y'), int(4, 1), text('public'), text('mood')]);
  expect(told([0], origin, type, message)).toEqual([['message', 'pg-ghost', 'token']]);
});

test('positions as text and back', () => {
  for (const lsn of ['0/0', '0/15E1B28', 'A/FF', 'FFFFFFFF/FFFFFFFF']) expect(lsnText(toLsn(lsn))).toBe(lsn);
  expect(toLsn('00000001/000000FF')).toBe(0x1_0000_00ffn);
  expect(toLsn(null)).toBe(0n);
});
