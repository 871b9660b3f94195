/** Capture by trigger: a write and its entry commit together, so that the log is complete at any moment. */
import type { OwnOnTable } from '../../catalog/fingerprint.js';
import type { Session } from '../../db/session.js';
import { captureModes } from '../../model/capture-mode.js';
import type { KeyLog } from '../../model/key-log.js';
import type { QualifiedName } from '../../model/name.js';
import { displayName } from '../../sql/quote.js';
import type { Capture, CaptureFacts } from '../capture.js';
import { columnsOf, segmentedLog } from '../key-log.js';
import { LogKeeper } from '../log-keeper.js';
import { setRightCapture, type CaptureObjects } from '../set-right.js';
import {
  captureFunctionNames,
  captureObjectStatements,
  captureTriggerNames,
  captureTriggerStatements,
  dropCaptureObjectStatements,
  dropCaptureTriggerStatements,
  markCaptureStatements,
  switchSegmentStatements,
} from './trigger-sql.js';

/** Nothing was ever taken out of a log that is new. */
const fromTheBeginning = '0';

export class TriggerCapture implements Capture {
  readonly mode = 'triggers';
  readonly nature = captureModes.triggers;
  readonly open = null;
  /** A trigger that is there logs each write, in the write's own transaction. */
  readonly renewal = null;
  readonly log: KeyLog;
  readonly keeper: LogKeeper;
  readonly tables: readonly QualifiedName[];
  readonly own: OwnOnTable;
  readonly slots: readonly string[] = [];

  constructor(private readonly facts: CaptureFacts) {
    const { suffix, key, active } = facts;
    const log = segmentedLog(suffix, key);
    this.log = log;
    this.keeper = new LogKeeper({
      log,
      active,
      redirectStatements: (segment) => switchSegmentStatements({ suffix, key }, segment),
    });
    this.tables = [...log.parts, log.truncations];
    this.own = { triggers: Object.values(captureTriggerNames(suffix)), publications: [] };
  }

  async create(session: Session): Promise<void> {
    const { suffix } = this.facts;
    await session.batch(captureObjectStatements(this.facts, this.#looks ? fromTheBeginning : null));
    await session.batch(markCaptureStatements(this.facts, suffix));
    await setRightCapture(session, this.#objects);
  }

  /** Where entries are counted each of them counts. */
  get #looks(): boolean {
    return this.facts.collects === true && this.log.step === null;
  }

  get looks(): Capture['looks'] {
    if (!this.#looks) return null;
    const { suffix, key } = this.facts;
    const text = (since: string | null): string[] =>
      switchSegmentStatements({ suffix, key }, this.keeper.activeNumber, since);
    return { once: text, always: () => text(null) };
  }

  beginStatements(): readonly string[] {
    return captureTriggerStatements(this.facts);
  }

  /** Each write fires them as long as they are the same rows of pg_trigger, enabled as they were. */
  isIntact(now: string | null, begun: string | null): boolean {
    return now !== null && (begun === null || now === begun);
  }

  interruption(): string {
    return `${this.nature.parts} on ${displayName(this.facts.table)} were dropped, disabled or replaced: writes may be missing from the log`;
  }

  /** The application's own sessions do it. */
  async follow(): Promise<null> {
    return null;
  }

  /** At once. */
  async upTo(): Promise<void> {}

  endStatements(): readonly string[] {
    return dropCaptureTriggerStatements(this.facts);
  }

  async rehearse(session: Session): Promise<void> {
    const { suffix, key } = this.facts;
    await session.batch(switchSegmentStatements({ suffix, key }, 1));
    await setRightCapture(session, this.#objects);
  }

  get #objects(): CaptureObjects {
    const { suffix } = this.facts;
    return {
      tables: this.tables,
      columns: columnsOf(this.log),
      functions: Object.values(captureFunctionNames(suffix)),
    };
  }

  dropStatements(): readonly string[] {
    return dropCaptureObjectStatements(this.facts.suffix);
  }
}
