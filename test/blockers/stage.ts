/** One place, one blocker, one application: what was seen of them, and whether all is still there. */
import { expect } from 'vitest';
import type { MigrationEvent } from '../../src/index.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { finalizePlace, type Place, type Removal, type Run, type Scene } from './places.js';
import { Application, setup, triesOf, type Blocker, type Kind } from './scene.js';

export class Stage implements AsyncDisposable {
  readonly events: MigrationEvent[] = [];
  #blocker: Blocker | null = null;

  private constructor(
    readonly db: TestDatabase,
    readonly place: Run | Removal,
    readonly kind: Kind,
    readonly app: Application,
  ) {}

  static async set(place: Run | Removal, kind: Kind): Promise<Stage> {
    const db = await createDatabase(setup);
    await place.reach?.(db);
    return new Stage(db, place, kind, await Application.start(db, Stage.#tableOf(place)));
  }

  static #tableOf({ what, table }: Place): string {
    return what.startsWith('dropping') ? `ghost_old_1.${table}` : table;
  }

  get blocker(): Blocker {
    if (this.#blocker === null) throw new Error('nobody was in the way');
    return this.#blocker;
  }

  command(options: Pick<Scene, 'deadlineMs' | 'onPoint'> = {}): Promise<unknown> {
    return this.place.command(this.db, {
      ...options,
      block: async () => void (this.#blocker ??= await this.kind.block(this.db, Stage.#tableOf(this.place))),
      onEvent: (event) => this.events.push(event),
    });
  }

  /** As it is named wherever blockers are. */
  get seen(): unknown {
    const { state, mode } = this.kind;
    const lockModes = expect.arrayContaining([mode]) as string[];
    return expect.objectContaining({ pid: this.blocker.pid, state, lockModes }) as unknown;
  }

  /** Of the lock in question, as told by events. */
  get ledger(): (MigrationEvent & { event: 'lock:taken' })[] {
    return this.events.flatMap((event) =>
      event.event === 'lock:taken' && event.what === this.place.what ? [event] : [],
    );
  }

  /** After each miss of the lock in question: who was in the way. */
  get missed(): (readonly unknown[])[] {
    return this.events.flatMap((event) =>
      event.event === 'cutover:missed' || (event.event === 'lock:missed' && event.what === this.place.what)
        ? [event.blockers]
        : [],
    );
  }

  /** Of tries that are over: three are made without any. */
  async threeWaits(): Promise<void> {
    const { db, place } = this;
    if ('application' in place) return await triesOf(db, place.application, 6);
    const waits = (): number => this.ledger.filter(({ outcome }) => outcome === 'missed').length;
    await until(() => waits() >= 3, { what: 'three waits' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.end();
    await this.db[Symbol.asyncDispose]();
  }
}

/** Every row and every write is there, and every foreign key. */
export async function expectWhole({ db, kind, app, place }: Stage): Promise<void> {
  await app.end();
  expect(app.errors).toEqual([]);
  const { rows } = await db.query(
    `select conname::text as name from pg_constraint
       where contype = 'f' and convalidated and connamespace = 'public'::regnamespace order by 1`,
  );
  expect(rows).toEqual([{ name: 'to_parent' }, { name: 'to_t' }]);
  expect((await db.query('select count(*)::int as n from t')).rows).toEqual([{ n: 200 }]);
  const old = place === finalizePlace;
  const written = await db.query(`select n from ${place.table} where id in (1, 2) order by id`);
  expect(written.rows).toEqual(old ? [{ n: 0 }, { n: 0 }] : [{ n: app.writes }, { n: kind.leaves }]);
}
