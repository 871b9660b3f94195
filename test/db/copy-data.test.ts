/** CopyData messages out of a connection's bytes, however these are cut. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CopyDataReader } from '../../src/db/copy-data.js';

const message = (tag: string, content: Uint8Array): Buffer => {
  const header = Buffer.from(`${tag}1234`);
  header.writeUInt32BE(content.length + 4, 1);
  return Buffer.concat([header, content]);
};

function read(chunks: readonly Buffer[]): string[] {
  const told: string[] = [];
  const reader = new CopyDataReader({
    data: (bytes, from, to) => told.push(`d ${bytes.toString('hex', from, to)}`),
    other: (bytes) => told.push(bytes.toString('hex')),
  });
  for (const chunk of chunks) reader.push(chunk);
  return told;
}

test('all of them, in their order, each whole', () => {
  const messages = fc.array(
    fc.record({ tag: fc.constantFrom('d', 'd', 'N', 'Z', 'c'), content: fc.uint8Array({ maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, sizes) => {
      const whole = sent.map(({ tag, content }) => message(tag, content));
      const bytes = Buffer.concat(whole);
      const chunks: Buffer[] = [];
      for (let at = 0, next = 0; at < bytes.length; next += 1) {
        const size = sizes[next % sizes.length] ?? 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(read(chunks)).toEqual(
        sent.map(({ tag, content }, index) =>
          tag === 'd' ? `d ${Buffer.from(content).toString('hex')}` : whole[index]?.toString('hex'),
        ),
      );
    }),
  );
});

test('one that comes in many pieces is put together once', () => {
  const long = message('d', new Uint8Array(8 * 1024 * 1024).fill(7));
  const chunks = Array.from({ length: Math.ceil(long.length / 1024) }, (_, index) =>
    long.subarray(index * 1024, (index + 1) * 1024),
  );
  const started = performance.now();
  expect(read([...chunks, message('Z', Buffer.from('I'))])).toEqual([
    `d ${'07'.repeat(8 * 1024 * 1024)}`,
    message('Z', Buffer.from('I')).toString('hex'),
  ]);
  // Put together anew with each piece it would be 32 GB.
  expect(performance.now() - started).toBeLessThan(5_000);
});
