/** Transaction ids of the stream have 32 bits; those of snapshots have their epoch. */
import { expect, test } from 'vitest';
import { fullXidSql } from '../../src/capture/logical/key-writer.js';
import { createDatabase } from '../support/database.js';

const epoch = 2n ** 32n;

test('an id belongs to the epoch in which it is next to the next one', async () => {
  await using db = await createDatabase();
  const cases: [next: bigint, xid: bigint, full: bigint][] = [
    [1000n, 999n, 999n],
    [1000n, 1000n, 1000n],
    [epoch + 5n, 3n, epoch + 3n],
    // It began before the wrap, and ends after it.
    [epoch + 5n, epoch - 1n, epoch - 1n],
    [epoch + 5n, 4_000_000_000n, 4_000_000_000n],
    // Later than the snapshot.
    [epoch - 3n, 4n, epoch + 4n],
    [7n * epoch + 5n, 7n, 7n * epoch + 7n],
    [7n * epoch - 1n, epoch - 2n, 7n * epoch - 2n],
    [7n * epoch, epoch - 1n, 7n * epoch - 1n],
    [7n * epoch, 0n, 7n * epoch],
  ];
  for (const [next, xid, full] of cases) {
    const { rows } = await db.query(`select (${fullXidSql('$1::bigint', '$2::bigint')})::text as full`, [
      String(xid),
      String(next),
    ]);
    expect(rows, `${xid} at ${next}`).toEqual([{ full: String(full) }]);
  }
});
