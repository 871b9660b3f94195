/** `pause`, `unpause`, `set`, `cutover`: what a run is asked from elsewhere, and what it answers. */
import { advice, doing, inWords, toDo } from '../advice.js';
import { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { FailedError, RefusedError } from '../errors.js';
import { runPids } from '../state/fence.js';
import { readAnswer, sendCommand, withdrawCommand } from '../state/commands.js';
import type { Answer, CommandName } from '../state/stored-json.js';
import { resolveMigration } from '../run/find-table.js';
import { isEnded } from '../model/phase.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';
import { checkSetting } from '../settings/settable.js';
import type { CommonOptions } from '../run/run-options.js';

const pollMs = 50;
/** How often it is looked whether somebody is still there to answer. */
const lookMs = 1_000;
/** A run answers within a second; a rehearsal has the locks to wait for. */
const patienceMs = { answer: 15_000, rehearsal: 15 * 60_000 };

/** Copy, verification and swap wait; the log goes on being applied. @param by what the run then says that it was paused by */
export async function pause(
  options: CommonOptions,
  id: number,
  { by }: { readonly by?: string } = {},
): Promise<Answer> {
  return await steer(options, id, 'pause', by === undefined ? {} : { by });
}

export async function unpause(options: CommonOptions, id: number): Promise<Answer> {
  return await steer(options, id, 'unpause', {});
}

/** Settings by the names of the command line's options, values as text. @throws UsageError `bad-setting` */
export async function set(
  options: CommonOptions,
  id: number,
  settings: Readonly<Record<string, string>>,
): Promise<Answer> {
  for (const [key, value] of Object.entries(settings)) checkSetting(key, value);
  return await steer(options, id, 'set', settings);
}

/** Swaps now, or rehearses. */
export async function cutover(
  options: CommonOptions,
  id: number,
  { rehearse = false }: { readonly rehearse?: boolean } = {},
): Promise<Answer> {
  return await steer(options, id, rehearse ? 'rehearse' : 'cutover', {});
}

/** @throws RefusedError `not-running`, `already-ended`; FailedError `no-answer`, `not-done` */
async function steer(
  options: CommonOptions,
  id: number,
  name: CommandName,
  args: Readonly<Record<string, unknown>>,
): Promise<Answer> {
  return await explained(options, 'nothing was changed', async () => {
    await using session = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: `pg-ghost ${name}`,
      ...connectingSignal(options),
    });
    breakOffWhenAsked(options, session);
    await refuseUnlessRunning(session, id);
    const command = await sendCommand(session, id, name, args);
    const until = performance.now() + (name === 'rehearse' ? patienceMs.rehearsal : patienceMs.answer);
    let lookedAt = performance.now();
    let isThere = true;
    while (isThere && performance.now() < until) {
      const answer = await readAnswer(session, command);
      if (answer !== null) return done(id, answer);
      await sleep(pollMs);
      if (performance.now() - lookedAt < lookMs) continue;
      lookedAt = performance.now();
      isThere = (await runPids(session, id)).runner !== null;
    }
    if (!(await withdrawCommand(session, command))) {
      const answer = await readAnswer(session, command);
      if (answer !== null) return done(id, answer);
    }
    const what = isThere ? 'did not answer' : 'ended, or lost its connection, before it answered';
    throw new FailedError('no-answer', `the run of migration ${id} ${what}`, {
      state: 'the command was withdrawn, nothing was changed',
      hint: advice`${doing('status', id)} says when it was last heard of`,
    });
  });
}

function done(id: number, answer: Answer): Answer {
  if (answer.ok) return answer;
  throw new FailedError('not-done', inWords(answer.said), {
    state: `migration ${id} goes on as it was`,
    hint: advice`${toDo('status', id)}`,
    ...(answer.details === undefined ? {} : { details: answer.details }),
  });
}

async function refuseUnlessRunning(session: Session, id: number): Promise<void> {
  const record = await resolveMigration(session, id);
  const { runner } = await runPids(session, id);
  // A rollback is a run of a migration that has ended.
  if (runner === null && isEnded(record.phase)) {
    throw new RefusedError([
      {
        code: 'already-ended',
        message: `migration ${id} is already ${record.phase}`,
        hint: advice`${toDo('status', id)}`,
      },
    ]);
  }
  if (runner !== null) return;
  throw new RefusedError([
    {
      code: 'not-running',
      message: `nobody runs migration ${id} now (it is in phase ${record.phase})`,
      hint: advice`${doing('resume', id)} continues it; options given there count from then on`,
    },
  ]);
}
