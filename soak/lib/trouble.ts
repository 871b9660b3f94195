/** What goes wrong while pg-ghost is at work: chosen beforehand, done when its moment has come. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ddlStatements } from './ddl.js';
import type { Random } from '../../src/lab/random.js';
import { ToolRun, type ToolEvent } from './tool.js';
import { BrokenPromise, codeOf, isConnectionLoss, textOf, type World } from './world.js';

export type TroubleKind = keyof typeof doers;

export interface Trouble {
  readonly kind: TroubleKind;
  /** Of the run; `start` when its process begins */
  readonly phase: string;
  /** After the beginning of that phase */
  readonly delayMs: number;
  /** Chooses a backend, a duration */
  readonly number: number;
}

/** One process of `pg-ghost run`, and what was done to it */
export interface Attempt {
  readonly run: ToolRun;
  /** What took place meanwhile */
  readonly met: Set<TroubleKind>;
  /** Those of them that may end a run */
  readonly disturbed: Set<TroubleKind>;
}

export interface Scene {
  readonly world: World;
  readonly program: string;
  readonly attempt: Attempt;
  /** Of the migration */
  readonly id: number | null;
  readonly done: (kind: TroubleKind) => void;
  readonly aborted: () => void;
  /** URLs of the databases in which everything but the migration takes place as well */
  readonly clones: readonly string[];
}

/** How often each is chosen. */
const weights: readonly (readonly [TroubleKind, number])[] = [
  ['kill', 5],
  ['interrupt', 3],
  ['pause', 2],
  ['terminate', 4],
  ['cancel', 3],
  ['crash', 3],
  ['restart', 1],
  ['vacuum full', 2],
  ['cluster', 1],
  ['reindex', 1],
  ['reindex concurrently', 1],
  ['analyze', 1],
  ['lock', 3],
  ['status', 2],
  ['verify', 3],
  ['ddl', 6],
];
const phases = [
  'start',
  'prepare',
  'copy',
  'copy',
  'copy',
  'purge',
  'index',
  'catch-up',
  'catch-up',
  'settle',
  'verify',
  'cutover',
  'cutover',
];

/** Those after which a run may end as it did. */
const endsRuns = new Set([
  'kill',
  'interrupt',
  'terminate',
  'cancel',
  'crash',
  'restart',
  'abort',
  'kill and abort',
] as TroubleKind[]);

export function randomTroubles(random: Random): Trouble[] {
  const deck = weights.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));
  const troubles = Array.from({ length: random.int(1, 6) }, () => trouble(random, random.pick(deck)));
  if (random.chance(0.15)) {
    const kind = random.pick(['abort', 'kill and abort'] as const);
    troubles.splice(random.int(0, troubles.length), 0, trouble(random, kind));
  }
  return troubles;
}

function trouble(random: Random, kind: TroubleKind): Trouble {
  const early = kind === 'kill' && random.chance(0.1);
  return {
    kind,
    phase: early ? 'start' : random.pick(phases.slice(kind === 'verify' ? 6 : 0)),
    delayMs: random.chance(0.4) ? random.int(0, 15) : random.int(0, early ? 1_500 : 400),
    number: random.int(0, 1_000_000),
  };
}

export function describeTrouble({ kind, phase, delayMs }: Trouble) {
  return `${kind} ${delayMs} ms into ${phase}`;
}

/**
 * Waits for the moment, which may never come.
 *
 * @returns whether it has come
 */
export async function moment(
  { phase, delayMs }: Trouble,
  run: ToolRun,
  signal: AbortSignal,
): Promise<boolean> {
  const began = phase === 'start' || (await phaseBegins(run, phase, signal));
  if (!began || signal.aborted) return false;
  await sleep(delayMs);
  return run.isRunning && !signal.aborted;
}

async function phaseBegins(run: ToolRun, phase: string, signal: AbortSignal): Promise<boolean> {
  const begins: Promise<boolean> = new Promise((resolve) => {
    const look = (event: ToolEvent) => {
      if (event.event === 'phase:started' && event['phase'] === phase) resolve(true);
    };
    for (const event of run.events) look(event);
    run.listen(look);
    void run.ended.then(() => resolve(false));
    signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  return await begins;
}

export async function make(trouble: Trouble, scene: Scene) {
  const { world, attempt } = scene;
  const { kind } = trouble;
  attempt.met.add(kind);
  if (endsRuns.has(kind)) attempt.disturbed.add(kind);
  world.note(`${kind}: begins`);
  const outcome = await doers[kind](scene, trouble);
  world.note(`${kind}: ${outcome ?? 'done'}`);
  scene.done(kind);
}

const maintenance =
  (statement: string) =>
  async (scene: Scene): Promise<string> => {
    try {
      await scene.world.withClient(async (client) => {
        await client.query(`set lock_timeout = '2s'`);
        await client.query(statement);
      }, 'maintenance');
      return statement;
    } catch (error) {
      // Not obtained, the victim of a deadlock, or gone with the server; 42704: CLUSTER knows no index.
      if (['55P03', '40P01', '42704'].includes(codeOf(error)) || isConnectionLoss(error))
        return textOf(error);
      throw error;
    }
  };

const signalBackend =
  (how: 'pg_terminate_backend' | 'pg_cancel_backend') =>
  async ({ world }: Scene, { number }: Trouble): Promise<string> =>
    await world.withClient(async (client) => {
      const { rows } = await client.query(
        `select pid, application_name as name, state, wait_event as wait, left(query, 60) as query from pg_stat_activity
       where datname = current_database() and application_name like 'pg-ghost%' order by application_name, pid`,
      );
      const chosen = rows[number % Math.max(1, rows.length)];
      if (chosen === undefined) return 'nobody there';
      await client.query(`select ${how}($1)`, [chosen.pid]);
      return JSON.stringify(chosen);
    }, 'trouble');

const doers = {
  kill: async ({ attempt }) => {
    attempt.run.child.kill('SIGKILL');
    await attempt.run.ended;
  },
  interrupt: async ({ attempt }, { number }) => {
    attempt.run.child.kill(number % 2 === 0 ? 'SIGINT' : 'SIGTERM');
    if (number % 3 > 0) return;
    await sleep(number % 200);
    if (attempt.run.isRunning) attempt.run.child.kill('SIGINT');
    return 'twice';
  },
  pause: async ({ attempt }) => {
    attempt.run.child.kill('SIGSTOP');
    await sleep(1_000);
    attempt.run.child.kill('SIGCONT');
  },
  terminate: signalBackend('pg_terminate_backend'),
  cancel: signalBackend('pg_cancel_backend'),
  crash: ({ world }) => world.restartServer({ immediate: true }),
  restart: ({ world }) => world.restartServer({ immediate: false }),
  'vacuum full': maintenance('vacuum full public.t'),
  cluster: maintenance('cluster public.t'),
  reindex: maintenance('reindex table public.t'),
  'reindex concurrently': maintenance('reindex table concurrently public.t'),
  analyze: maintenance('vacuum analyze public.t'),
  lock: async ({ world }, { number }) => {
    const modes = ['access share', 'row exclusive', 'share update exclusive', 'share', 'access exclusive'];
    const mode = modes[number % modes.length];
    try {
      await world.withClient(async (client) => {
        await client.query(`set lock_timeout = '2s'`);
        await client.query(`begin; lock table public.t in ${mode} mode`);
        await sleep(number % 2_000);
        await client.query('commit');
      }, 'lock holder');
      return `${mode} for ${number % 2_000} ms`;
    } catch (error) {
      if (['55P03', '40P01'].includes(codeOf(error)) || isConnectionLoss(error)) return textOf(error);
      throw error;
    }
  },
  status: async (scene) => {
    const { shown, code, stderr } = await new ToolRun(scene.program, scene.world.toolUrl, [
      'status',
      ...(scene.id === null ? [] : [String(scene.id)]),
      '--json',
    ]).ended;
    const wasAway = scene.attempt.disturbed.size > 0;
    if (code !== 0 && !wasAway && !shown.includes('no-such-migration')) {
      throw new BrokenPromise(`pg-ghost status ended with ${shown}\n${stderr}`);
    }
    return shown;
  },
  verify: async (scene, { number }) => {
    if (scene.id === null) return 'no migration yet';
    const { shown, code, error, stderr } = await new ToolRun(scene.program, scene.world.toolUrl, [
      'verify',
      String(scene.id),
      '--json',
      ...(number % 3 === 0 ? ['--sample'] : []),
    ]).ended;
    // After the swap rows that are deleted in the new table are documented to count as differences.
    const swapped = String(error?.['state']).includes('are swapped');
    if (code === 4 && !swapped) {
      throw new BrokenPromise(`pg-ghost verify found differences: ${JSON.stringify(error)}`);
    }
    const wasAway = scene.attempt.disturbed.size > 0;
    const documented = code === 0 || code === 3 || swapped || wasAway;
    if (!documented)
      throw new BrokenPromise(`pg-ghost verify ended with ${shown}: ${JSON.stringify(error)}\n${stderr}`);
    return shown;
  },
  ddl: (scene, { number }) => beside(scene, ddlStatements(number)),
  abort: (scene) => abort(scene),
  'kill and abort': async (scene) => {
    scene.attempt.run.child.kill('SIGKILL');
    await scene.attempt.run.ended;
    return await abort(scene);
  },
} satisfies Record<string, (scene: Scene, trouble: Trouble) => Promise<string | void>>;

/** On the table, and then on its clones, which have no load. */
async function beside({ world, clones }: Scene, statements: readonly string[]): Promise<string> {
  for (const statement of statements) {
    for (let isUnknown = false; ;) {
      try {
        await world.withClient(async (client) => {
          await client.query(`set lock_timeout = '2s'`);
          await client.query(statement);
        }, 'ddl');
        break;
      } catch (error) {
        const notNow = ['55P03', '40P01'].includes(codeOf(error));
        if (notNow && !isUnknown && statement === statements[0]) return textOf(error);
        isUnknown ||= isConnectionLoss(error);
        if ((!notNow && !isConnectionLoss(error)) || world.over.aborted) throw error;
      }
    }
    for (const url of clones) await world.withClient((client) => client.query(statement), 'ddl', url);
  }
  return statements.join('; ');
}

async function abort(scene: Scene): Promise<string> {
  if (scene.id === null) return 'no migration yet';
  for (let tries = 1; ; tries += 1) {
    const { shown, code, error, stderr } = await new ToolRun(scene.program, scene.world.toolUrl, [
      'abort',
      String(scene.id),
      '--json',
    ]).ended;
    if (code === 0) {
      scene.aborted();
      return 'aborted';
    }
    if (['already-swapped', 'no-such-migration'].includes(String(error?.['code']))) return shown;
    scene.world.note(`abort ended with ${shown}`);
    if (tries === 8)
      throw new BrokenPromise(
        `pg-ghost abort ends with ${shown} each time: ${JSON.stringify(error)}\n${stderr}`,
      );
    await sleep(500);
  }
}
