/** Apply, as the phases use it: its sessions, what it checks, and what it tells. */
import { advice, toDo } from '../advice.js';
import { catchUp, type Drained } from '../apply/applier.js';
import { audit } from '../apply/audit.js';
import type { ApplyPlan } from '../apply/apply-plan.js';
import type { Session } from '../db/session.js';
import { relaxedCommit } from '../db/settings.js';
import { isRowError } from '../db/sqlstate.js';
import { applyPlanOf } from './apply-facts.js';
import type { TableContext } from './context.js';
import { followSource } from './follow-source.js';
import { recordedCheck, SourceAltered, type SourceCheck } from './source-check.js';

/** Rows that come back are lost again only where the application goes on making keys collide, and parting them. */
const maxAudits = 5;

export class LogApplier implements AsyncDisposable {
  #helpers: Session[] = [];

  private constructor(
    private readonly context: TableContext,
    private current: Opened,
  ) {}

  static async open(context: TableContext): Promise<LogApplier> {
    return new LogApplier(context, await open(context));
  }

  get plan(): ApplyPlan {
    return this.current.plan;
  }

  get session(): Session {
    return this.current.session;
  }

  /** As `catchUp`, whatever somebody does to the source that can be followed: the plan may be another one afterwards. */
  async catchUpFollowing(): Promise<number> {
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
   *
   * @returns the number of entries that were applied
   * @throws SourceAltered
   */
  async catchUp(): Promise<number> {
    const { plan, session, source } = this.current;
    const { emit, signal, capture, at, settings, id, balance } = this.context;
    const { keysApplied } = await catchUp({
      plan,
      session,
      balance: plan.key.mayCollide === true ? balance : undefined,
      log: capture.keeper,
      helpers: (count) => this.#openHelpers(count),
      maxWorkers: settings.workers,
      onOutrun: ({ written, applied, workers }) =>
        emit('warning', {
          code: 'apply-outrun',
          message:
            `the application writes ${written} keys a second, and ${workers === 1 ? 'one session applies' : `${workers} sessions apply`} ${applied}: ` +
            `the swap waits until it writes less`,
          hint: advice`what helps: more --workers (${settings.workers} now), a quieter hour, or ${toDo('abort', id)}`,
        }),
      // Where the rows lie does not matter any more: keys find them.
      checkSource: (current) => source.check(current, { fileMayMove: true }),
      logged: (stop) => capture.upTo('apply', stop),
      onProgress: (progress) => emit('apply:progress', progress),
      at,
      signal,
    });
    return keysApplied;
  }

  /**
   * Where keys may collide: ends the run if two have, brings back what was lost to two that had, and counts, so that `isComplete`
   * can tell from then on. Nobody applies meanwhile.
   *
   * @returns the number of rows that were brought back
   * @throws FailedError `unique-violation`
   */
  async audit(caughtUp = (): Promise<unknown> => this.catchUp()): Promise<number> {
    const { plan, balance, capture, signal } = this.context;
    if (plan.key.mayCollide !== true) return 0;
    let requeued = 0;
    for (let tries = 1; ; tries += 1) {
      await capture.upTo('verify', signal);
      // Names a row whose key cannot be converted, which the audit itself could not.
      await caughtUp();
      try {
        const found = await audit(this.session, this.plan, balance);
        requeued += found.requeued;
        if (!found.truncated && found.requeued === 0) break;
      } catch (error) {
        if (!isRowError(error) || tries >= maxAudits) throw error;
      }
      if (tries >= maxAudits) break;
    }
    return requeued;
  }

  /** Under the lock, when everything has been applied: does the shadow have as many rows as the source? */
  isComplete({ change }: Pick<Drained, 'change'>): boolean {
    const { plan, balance } = this.context;
    if (plan.key.mayCollide !== true || change === null) return true;
    return balance.value !== null && balance.value + change === 0;
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

async function open(context: TableContext): Promise<Opened> {
  const plan = await applyPlanOf(context);
  const source = await recordedCheck(context);
  return { plan, source, session: await context.sessions.open('apply', relaxedCommit) };
}
