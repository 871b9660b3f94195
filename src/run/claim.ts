/** How a process becomes the runner of a migration (invariant 8): for a run, for one that reconnects, and for `abort`. */
import { randomUUID } from 'node:crypto';
import type { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { FailedError } from '../errors.js';
import {
  currentRun,
  isAlone,
  runPids,
  TakenOver,
  terminate,
  tryBecomeRunner,
  type RunPids,
} from '../state/fence.js';
import { nextRun } from '../state/migrations.js';
import type { ServerIdentity } from '../state/server-identity.js';

const timeoutMs = 30_000;
const pauseMs = 100;

/** Somebody else is the runner, and may go on. */
export class RunnerIsAlive extends Error {
  constructor(readonly pid: number) {
    super('another session is the runner');
  }
}

export interface Claim {
  readonly session: Session;
  readonly id: number;
  /** Whether the backend that has the runner's lock may be ended. */
  readonly mayEnd: (pid: number) => boolean;
  /** A word of this process. */
  readonly owner: string;
  /** The process had it before it lost its connection: nobody may have taken over meanwhile. */
  readonly continues?: boolean;
  /** Stored as the one that the migration lives on; left as it is when not given. */
  readonly server?: ServerIdentity;
  readonly signal?: AbortSignal;
}

/**
 * Returns the number of the new run when this session is the runner and no session of another run is left.
 *
 * @throws RunnerIsAlive, TakenOver; FailedError `run-still-alive` when backends do not go
 */
export async function claimRun(claim: Claim): Promise<number> {
  const { session, id, mayEnd, owner, continues = false, server = null, signal } = claim;
  const deadline = performance.now() + timeoutMs;
  while (!(await tryBecomeRunner(session, id))) {
    await refuseIfTakenOver(claim);
    const { runner } = await runPids(session, id);
    if (runner !== null && !mayEnd(runner)) throw continues ? new TakenOver(id) : new RunnerIsAlive(runner);
    await endAndWait(runner === null ? [] : [runner]);
  }
  // Nobody else can be the runner from here on, so what is stored now stays until we change it.
  await refuseIfTakenOver(claim);
  const number = await nextRun(session, id, owner, server);
  // Whoever joins now finds the new number; whoever has joined before is in the way of this lock.
  while (!(await isAlone(session, id))) {
    const { all }: RunPids = await runPids(session, id);
    await endAndWait(all);
  }
  return number;

  async function endAndWait(pids: readonly number[]): Promise<void> {
    if (performance.now() > deadline) throw stillAlive(id);
    await terminate(session, pids);
    await sleep(pauseMs, signal);
  }
}

/** For a command that is no run, and gives way to whatever is at work. @throws RunnerIsAlive */
export async function claimIdle(session: Session, id: number, signal?: AbortSignal): Promise<void> {
  await claimRun({
    session,
    id,
    owner: randomUUID(),
    mayEnd: () => false,
    ...(signal === undefined ? {} : { signal }),
  });
}

async function refuseIfTakenOver({ session, id, owner, continues }: Claim): Promise<void> {
  if (continues === true && (await currentRun(session, id))?.owner !== owner) throw new TakenOver(id);
}

function stillAlive(id: number): FailedError {
  return new FailedError(
    'run-still-alive',
    `sessions of an earlier run of migration ${id} are still at work`,
    {
      state: 'nothing was changed by this command',
      hint: `look for application_name 'pg-ghost ${id} ...' in pg_stat_activity and end those backends`,
    },
  );
}
