/** Peak of the client's resident memory over a whole `pg-ghost run`, for a small and a large table. */
import type { Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { count, megabytes, progress, times, type Result } from './lib/output.js';
import { figure, inTurn, ratio } from './lib/statistics.js';
import { change, table } from './lib/table.js';
import { runTool } from './lib/tool.js';

const goalBytes = 150e6;
const smallPart = 100;

export async function memory(lab: Lab, { rows, rounds }: Options): Promise<Result> {
  const sizes = [Math.max(1000, Math.round(rows / smallPart)), rows];
  const peaks = sizes.map((size) => ({ rows: size, bytes: [] as number[] }));
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
