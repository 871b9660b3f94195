/**
 * Writes keys that came from the stream to the log, each transaction of the stream once: how far it has come is stored with the keys.
 *
 * A commit record is in the WAL before the transaction is visible (invariant 6). So keys wait here until a snapshot of the server
 * sees the transaction that wrote them: whoever finds a key in the log has a snapshot that is later still, and sees it as well.
 */
import type { Session } from '../../db/session.js';
import type { Lsn } from '../../db/replication.js';
import { sleep } from '../../db/wait.js';
import type { Key } from '../../model/key.js';
import { ident, qualified, sql } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import type { SegmentedLog } from '../key-log.js';
import { lsnText, toLsn } from './messages.js';

export interface KeyWriterOptions {
  /** With `own`, and with a commit that waits for the disk. */
  readonly session: Session;
  readonly log: SegmentedLog;
  /** The segment that is written to, now. */
  readonly segment: () => QualifiedName;
  readonly key: Key;
  readonly position: QualifiedName;
}

/** Of a key, as text, and how many rows more it means. */
export interface Entry {
  readonly values: readonly string[];
  readonly step: number;
}

/** What belongs to transactions that were read to their end. */
export interface Complete {
  /** Unsigned 32-bit ids of those that have written. */
  readonly xids: readonly number[];
  /** Of the last of them. */
  readonly commit: Lsn;
}

const pauseMs = 2;
/** So many keys at once; they stand in memory as texts. */
const mostEntries = 10_000;

/**
 * A transaction id with its epoch: the one that brings it next to the server's next id. All are expressions, and bigint; ids of
 * running transactions are never further apart.
 */
export function fullXidSql(xid: string, next: string): string {
  return `(${next} + (${xid} - ${next} % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8`;
}

export class KeyWriter {
  #entries: Entry[] = [];
  #truncations = 0;
  /** A transaction of ours is open: there were too many keys to keep. */
  #isOpen = false;

  constructor(private readonly options: KeyWriterOptions) {}

  /** Whether there is nothing that is not stored. */
  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#truncations === 0 && !this.#isOpen;
  }

  get isLong(): boolean {
    return this.#isOpen || this.#entries.length >= mostEntries;
  }

  /** The last transaction of the stream that is in the log. */
  async position(): Promise<Lsn> {
    const { session, position } = this.options;
    const { lsn } = await session.row<{ lsn: string }>(`select lsn::text as lsn from ${qualified(position)}`);
    return toLsn(lsn);
  }

  /** Not stored before `complete`. */
  async add(entry: Entry): Promise<void> {
    this.#entries.push(entry);
    if (this.#entries.length < mostEntries) return;
    if (!this.#isOpen) await this.options.session.batch(['begin']);
    this.#isOpen = true;
    await this.#insert(null);
  }

  truncated(): void {
    this.#truncations += 1;
  }

  /** Everything that was added is of these transactions. Resolves when it is in the log, to stay. */
  async complete({ xids, commit }: Complete, signal: AbortSignal): Promise<void> {
    while (!(await this.#areVisible(xids))) await sleep(pauseMs, signal);
    await this.#insert(commit);
    if (this.#isOpen) await this.options.session.batch(['commit']);
    this.#isOpen = false;
  }

  async #areVisible(xids: readonly number[]): Promise<boolean> {
    const { visible } = await this.options.session.row<{ visible: boolean }>({
      name: 'ghost_visible',
      text: sql`
        with now as materialized (
          select s, pg_snapshot_xmax(s)::text::bigint as next from pg_current_snapshot() as s
        )
        select coalesce(bool_and(pg_visible_in_snapshot(
          ${fullXidSql('xid', 'next')}, s
        )), true) as visible
        from now
        cross join unnest($1::bigint[]) as xid`,
      values: [xids],
    });
    return visible;
  }

  async #insert(commit: Lsn | null): Promise<void> {
    const { session, log, segment, key, position } = this.options;
    const entries = this.#entries;
    const types = [...key.columns.map(({ type }) => type), ...(log.step === null ? [] : ['smallint'])];
    const columns = [...log.columns, ...(log.step === null ? [] : [log.step])].map(ident).join(', ');
    const values = [
      ...key.columns.map((_, index) => entries.map((entry) => entry.values[index] ?? null)),
      ...(log.step === null ? [] : [entries.map(({ step }) => step)]),
    ];
    await session.execute({
      text: sql`
        with entries as (
          insert into ${qualified(segment())} (${columns})
          select * from unnest(${types.map((type, index) => `$${index + 3}::${type}[]`).join(', ')})
        ),
        truncations as (
          insert into ${qualified(log.truncations)} select from generate_series(1, $2::int)
        )
        update ${qualified(position)} set lsn = coalesce($1::pg_lsn, lsn)`,
      values: [commit === null ? null : lsnText(commit), this.#truncations, ...values],
    });
    this.#entries = [];
    this.#truncations = 0;
  }
}
