/**
 * The whole `pg-ghost run` as a process, beside the blocking ALTER TABLE of the same change; with the verification of every
 * row, which ALTER TABLE does not do, and without.
 */
import { withClient, type Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { count, progress, seconds, times, type Result } from './lib/output.js';
import { figure, inTurn, ratio } from './lib/statistics.js';
import { change, table } from './lib/table.js';
import { runTool, type ToolRun } from './lib/tool.js';

const goal = 1;

export async function runVsAlter(lab: Lab, { rows, rounds }: Options): Promise<Result> {
  const size = await lab.size(rows);
  /** By `--verify` */
  const runs: Record<'full' | 'off', ToolRun[]> = { full: [], off: [] };
  const alters: number[] = [];
  const runWith = (verify: keyof typeof runs) => async (url: string) => {
    const run = await runTool(url, ['--table', table, '--alter', change, '--verify', verify]);
    if (run.rows !== rows) throw new Error(`${run.rows} rows copied, not ${rows}`);
    runs[verify].push(run);
    progress(`  run --verify ${verify}  ${run.seconds.toFixed(2)} s`);
  };
  const measurements = [
    runWith('full'),
    runWith('off'),
    async (url: string) => {
      const took = await alter(url);
      alters.push(took);
      progress(`  ALTER  ${took.toFixed(2)} s`);
    },
  ];
  for (let round = 0; round < rounds; round += 1) {
    for (const measure of inTurn(measurements, round)) {
      await lab.withTable(rows, async (url) => {
        await lab.checkpoint();
        await measure(url);
      });
    }
  }
  const secondsOf = (verify: keyof typeof runs) => runs[verify].map((run) => run.seconds);
  const ratios = { full: ratio(secondsOf('full'), alters), off: ratio(secondsOf('off'), alters) };
  const [verifies, copies] = ['verify', 'copy'].map((phase) =>
    runs.full.map((run) => run.phases[phase] ?? Number.NaN),
  );
  const verifyRatios = ratio(verifies ?? [], copies ?? []);
  const beside = `ALTER TABLE ${seconds(figure(alters))}`;
  return {
    lines: [
      {
        measure: `run, ${count(rows)} rows, not verified`,
        ours: seconds(figure(secondsOf('off'))),
        beside,
        ratio: times(ratios.off),
        goal: `at most ${goal.toFixed(2)}`,
        met: ratios.off.median <= goal,
      },
      {
        measure: `run, ${count(rows)} rows, every row verified`,
        ours: seconds(figure(secondsOf('full'))),
        beside,
        ratio: times(ratios.full),
      },
      {
        measure: 'verification of every row',
        ours: seconds(figure(verifies ?? [])),
        beside: `the copy before it ${seconds(figure(copies ?? []))}`,
        ratio: times(verifyRatios),
        goal: 'at most 1.00',
        met: verifyRatios.median <= 1,
      },
    ],
    notes: [
      `table: ${size.heapMb} MB and ${size.indexesMb} MB of indexes, ${size.bytesPerRow} bytes a row`,
      `phases of run: ${phaseNote(runs.full)}`,
    ],
    data: {
      rows,
      size,
      runSeconds: figure(secondsOf('full')),
      unverifiedSeconds: figure(secondsOf('off')),
      alterSeconds: figure(alters),
      ratios,
      verifyRatio: verifyRatios,
      phases: phaseMedians(runs.full),
      runs,
    },
  };
}

/** Only the statement: that its client had to start and to connect is not counted. */
async function alter(url: string) {
  return await withClient(url, async (client) => {
    const started = performance.now();
    await client.query(`alter table ${table} ${change}`);
    return (performance.now() - started) / 1000;
  });
}

function phaseMedians(runs: readonly ToolRun[]): Record<string, number> {
  const names = Object.keys(runs[0]?.phases ?? {});
  const inPhases = (run: ToolRun) => Object.values(run.phases).reduce((sum, each) => sum + each, 0);
  return Object.fromEntries([
    // Start of the process, plan, the sessions, the end.
    ['around', figure(runs.map((run) => run.seconds - inPhases(run))).median],
    ...names.map((name) => [name, figure(runs.map((run) => run.phases[name] ?? 0)).median]),
  ]);
}

function phaseNote(runs: readonly ToolRun[]) {
  return Object.entries(phaseMedians(runs))
    .map(([name, took]) => `${name} ${took.toFixed(2)} s`)
    .join(', ');
}
