/** Apply, as the phases use it: its sessions, what it checks, and what it tells. */
import { catchUp } from '../apply/applier.js';
import type { ApplyPlan } from '../apply/apply-plan.js';
import type { Session } from '../db/session.js';
import { relaxedCommit } from '../db/settings.js';
import { applyPlanOf } from './apply-facts.js';
import type { RunContext } from './context.js';
import { recordedCheck, type SourceCheck } from './source-check.js';

export class Applier implements AsyncDisposable {
  readonly #helpers: Session[] = [];

  private constructor(
    private readonly context: RunContext,
    readonly plan: ApplyPlan,
    readonly session: Session,
    private readonly source: SourceCheck,
  ) {}

  static async open(context: RunContext): Promise<Applier> {
    const plan = await applyPlanOf(context);
    const source = await recordedCheck(context);
    return new Applier(context, plan, await context.sessions.open('apply', relaxedCommit), source);
  }

  /** Until the backlog is small. */
  async catchUp(): Promise<void> {
    const { emit, signal, log, at, settings, id } = this.context;
    await catchUp({
      plan: this.plan,
      session: this.session,
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
      checkSource: (current) => this.source.check(current, { fileMayMove: true }),
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
    const { sessions } = this.context;
    await Promise.all([this.session, ...this.#helpers].map((session) => sessions.release(session)));
  }
}
