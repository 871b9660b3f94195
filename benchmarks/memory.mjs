/** Peak of the client's resident memory over a whole `pg-ghost run`, for a small and a large table. */
import { runIfMain } from './lib/main.mjs';
import { count, megabytes, progress, times } from './lib/output.mjs';
import { figure, inTurn, ratio } from './lib/statistics.mjs';
import { change, table } from './lib/table.mjs';
import { runTool } from './lib/tool.mjs';

const goalBytes = 150e6;
const smallPart = 100;

/** @type {import('./lib/main.mjs').Benchmark} */
export async function memory(lab, { rows, rounds }) {
  const sizes = [Math.max(1000, Math.round(rows / smallPart)), rows];
  const peaks = sizes.map((size) => ({ rows: size, bytes: /** @type {number[]} */ ([]) }));
  for (let round = 0; round < rounds; round += 1) {
    for (const peak of inTurn(peaks, round)) {
      await lab.withTable(peak.rows, async (url) => {
        const { peakBytes } = await runTool(url, ['--table', table, '--alter', change]);
        peak.bytes.push(peakBytes);
        progress(`  ${count(peak.rows)} rows: ${(peakBytes / 1e6).toFixed(0)} MB`);
      });
    }
  }
  const [small, large] = peaks.map(({ bytes }) => figure(bytes));
  if (small === undefined || large === undefined) throw new Error('nothing was measured');
  return {
    lines: [
      {
        measure: `memory of the client, ${count(rows)} rows`,
        ours: megabytes(large),
        beside: `${count(sizes[0] ?? 0)} rows ${megabytes(small)}`,
        ratio: times(ratio(large.all, small.all)),
        goal: 'below 150 MB',
        met: large.max < goalBytes,
      },
    ],
    notes: [],
    data: { small: { rows: sizes[0], bytes: small }, large: { rows: sizes[1], bytes: large } },
  };
}

await runIfMain(import.meta.url, 'memory', { memory });
