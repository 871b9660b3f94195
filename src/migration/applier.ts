/** Apply, as the phases use it: its sessions, what it checks, and what it tells. */
import { catchUp } from '../apply/applier.js';
import type { ApplyPlan } from '../apply/apply-plan.js';
import type { Session } from '../db/session.js';
import { relaxedCommit } from '../db/settings.js';
import { applyPlanOf } from './apply-facts.js';
import type { RunContext } from './context.js';
import { followSource } from './follow.js';
import { recordedCheck, SourceAltered, type SourceCheck } from './source-check.js';

export class Applier implements AsyncDisposable {
  #helpers: Session[] = [];

  private constructor(
    private readonly context: RunContext,
    private current: Opened,
  ) {}

  static async open(context: RunContext): Promise<Applier> {
    return new Applier(context, await open(context));
  }

  get plan(): ApplyPlan {
    return this.current.plan;
  }

  get session(): Session {
    return this.current.session;
  }

  /** As `catchUp`, whatever somebody does to the source that can be followed: the plan may be another one afterwards. */
  async catchUpFollowing(): Promise<void> {
    for (;;) {
      try {
        return await this.catchUp();
      } catch (error) {
        if (!(error instanceof SourceAltered)) throw error;
        await followSource(this.context, 'complete', error);
        // Statements are prepared in a session for the shape that the shadow had.
        await this.#close();
        this.current = await open(this.context);
      }
    }
  }

  /**
   * Until the backlog is small.
   * @throws SourceAltered
   */
  async catchUp(): Promise<void> {
    const { plan, session, source } = this.current;
    const { emit, signal, log, at, settings, id } = this.context;
    await catchUp({
      plan,
      session,
      log,
      helpers: (count) => this.#openHelpers(count),
      maxWorkers: settings.workers,
      onOutrun: ({ written, applied, workers }) =>
        emit('warning', {
          code: 'apply-outrun',
          message:
            `the application writes ${written} keys a second, and ${workers === 1 ? 'one session applies' : `${workers} sessions apply`} ${applied}: ` +
            `the swap waits until it writes less; what helps: more --workers (${settings.workers} now), a quieter hour, or pg-ghost abort ${id}`,
        }),
      // Where the rows lie does not matter any more: keys find them.
      checkSource: (current) => source.check(current, { fileMayMove: true }),
      onProgress: (progress) => emit('apply:progress', progress),
      at,
      signal,
    });
  }

  async #openHelpers(count: number): Promise<readonly Session[]> {
    while (this.#helpers.length < count) {
      this.#helpers.push(await this.context.sessions.open('apply', relaxedCommit));
    }
    return this.#helpers.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const { sessions } = this.context;
    const open = [this.current.session, ...this.#helpers];
    this.#helpers = [];
    await Promise.all(open.map((session) => sessions.release(session)));
  }
}

interface Opened {
  readonly plan: ApplyPlan;
  readonly session: Session;
  readonly source: SourceCheck;
}

async function open(context: RunContext): Promise<Opened> {
  const plan = await applyPlanOf(context);
  const source = await recordedCheck(context);
  return { plan, source, session: await context.sessions.open('apply', relaxedCommit) };
}
