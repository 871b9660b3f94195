/**
 * How long the swap holds its lock by the way in which keys come into the log, under writers that never pause; and how much of that
 * is for the log to be complete.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { toolSwap, type ToolSwap } from './cutover-hold.js';
import { Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { count, milliseconds, notMeasured, progress, type Line, type Result } from './lib/output.js';
import { findPgbench } from './lib/pgbench.js';
import { figure, inTurn } from './lib/statistics.js';
import { Writers } from './lib/writers.js';

const calmMs = 500;
const goalMs = { triggers: 10, logical: 25 };
const modes = ['triggers', 'logical'] as const;

export async function captureHold(given: Lab, options: Options): Promise<Result> {
  const { kind, wal_level: walLevel } = await given.facts();
  if (walLevel === 'logical') return await compare(given, options);
  if (kind !== 'embedded')
    return notMeasured('capture-hold: not measured, it needs a server with wal_level=logical');
  const lab = await Lab.open(options, { wal_level: 'logical' });
  try {
    return await compare(lab, options);
  } finally {
    await lab.close();
  }
}

async function compare(lab: Lab, { swaps, swapRows, writers }: Options): Promise<Result> {
  const pgbench = findPgbench();
  const seen = { triggers: [] as ToolSwap[], logical: [] as ToolSwap[] };
  const transactions = await lab.withTable(swapRows, async (url) => {
    await lab.checkpoint();
    const application = Writers.start({ url, writers, rows: swapRows, pgbench });
    try {
      for (let swap = 0; swap < swaps; swap += 1) {
        for (const mode of inTurn(modes, swap)) {
          await sleep(calmMs);
          seen[mode].push(await toolSwap(url, { capture: mode }));
        }
        progress(`  ${modes.map((mode) => `${mode} ${seen[mode].at(-1)?.holdMs.toFixed(1)} ms`).join(', ')}`);
      }
    } catch (error) {
      await application.stop().catch(() => undefined);
      throw error;
    }
    return (await application.stop()).length;
  });
  const figures = Object.fromEntries(
    modes.map((mode) => [
      mode,
      {
        holdMs: figure(seen[mode].map(({ holdMs }) => holdMs)),
        captureMs: figure(seen[mode].map(({ captureMs }) => captureMs)),
        drainedKeys: figure(seen[mode].map(({ drainedKeys }) => drainedKeys)),
      },
    ]),
  );
  return {
    lines: modes.flatMap((mode): Line[] => {
      const { holdMs, captureMs } = figures[mode] ?? {};
      if (holdMs === undefined || captureMs === undefined) return [];
      return [
        {
          measure: `hold of the swap, capture by ${mode}, ${writers} writers`,
          ours: milliseconds(holdMs),
          goal: `median at most ${goalMs[mode]} ms`,
          met: holdMs.median <= goalMs[mode],
        },
        { measure: '  of it until the log is complete', ours: milliseconds(captureMs) },
      ];
    }),
    notes: [
      `swaps: ${swaps} by each, of ${count(swapRows)} rows; keys drained under the lock: ${modes.map((mode) => `${mode} ${figures[mode]?.drainedKeys.median}`).join(', ')} at the median; the writers made ${count(transactions)} transactions`,
    ],
    data: figures,
  };
}
