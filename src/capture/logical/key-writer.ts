/**
 * Writes keys that came from the stream to the log, each transaction of the stream once: how far it has come is stored with the keys.
 *
 * A commit record is in the WAL before the transaction is visible (invariant 6). So keys wait here until a snapshot of the server
 * sees the transaction that wrote them: whoever finds a key in the log has a snapshot that is later still, and sees it as well.
 */
import type { Session } from '../../db/session.js';
import type { Lsn } from '../../db/replication.js';
import { sleep } from '../../db/wait.js';
import { ident, qualified, sql } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import type { SegmentedLog } from '../key-log.js';
import { lsnText, toLsn } from './messages.js';

export interface KeyWriterOptions {
  /** With `own`, and with commits that wait for nothing (durable.ts). */
  readonly session: Session;
  readonly log: SegmentedLog;
  /** The segment that is written to, now. */
  readonly segment: () => QualifiedName;
  /** A row of the columns of a key. */
  readonly keyType: QualifiedName;
  readonly position: QualifiedName;
}

/** Of a key, as text, and how many rows more it means. */
export interface Entry {
  readonly values: readonly string[];
  readonly step: number;
}

/** What is written together: all of it is in the log, or nothing. */
interface Batch {
  readonly entries: readonly Entry[];
  readonly truncations: number;
  /** Unsigned 32-bit ids of the transactions that have written it; all of them have come to their end. */
  readonly xids: readonly number[];
  /** Of the last of them; null where it has not come to its end, and more of it follows. */
  readonly commit: Lsn | null;
}

const pauseMs = 2;
/** So many keys at once; they stand in memory as texts. */
const mostEntries = 10_000;

/**
 * A transaction id with its epoch: the one that brings it next to the server's next id. All are expressions, and bigint; ids of
 * running transactions are never further apart.
 */
export function fullXidSql(xid: string, next: string): string {
  return `${next} + (${xid} - ${next} % 4294967296 + 6442450944) % 4294967296 - 2147483648`;
}

export class KeyWriter {
  /** First those of transactions that have come to their end, then those of the one that has not. */
  #entries: Entry[] = [];
  #truncations = 0;
  /** Of these, how many are of transactions that have come to their end. */
  #complete = { entries: 0, truncations: 0 };
  #xids: number[] = [];
  #commit: Lsn | null = null;
  /** A transaction of ours is open: there were too many keys of one of theirs to keep. */
  #isOpen = false;

  constructor(private readonly options: KeyWriterOptions) {}

  /** Whether there is nothing that is not stored. */
  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#truncations === 0 && this.#xids.length === 0 && !this.#isOpen;
  }

  /** Whether too much of one transaction is here to wait for its end. */
  get isLong(): boolean {
    return this.#entries.length - this.#complete.entries >= mostEntries;
  }

  /** The last transaction of the stream that is in the log. */
  async position(): Promise<Lsn> {
    const { session, position } = this.options;
    const { lsn } = await session.row<{ lsn: string }>(`select lsn::text as lsn from ${qualified(position)}`);
    return toLsn(lsn);
  }

  /** Of the transaction that is being read. */
  add(values: readonly string[], step: number): void {
    this.#entries.push({ values, step });
  }

  /** By the transaction that is being read. */
  truncated(): void {
    this.#truncations += 1;
  }

  /** What was added since the last one is of this transaction, which has come to its end. */
  complete(xid: number, commit: Lsn): void {
    this.#complete = { entries: this.#entries.length, truncations: this.#truncations };
    this.#xids.push(xid);
    this.#commit = commit;
  }

  /**
   * Resolves when all transactions that have come to their end are in the log.
   *
   * @returns whether there was something to write
   */
  async store(signal: AbortSignal): Promise<boolean> {
    if (this.#xids.length === 0) return false;
    const { entries, truncations } = this.#complete;
    const batch = {
      entries: entries === this.#entries.length ? this.#entries : this.#entries.slice(0, entries),
      truncations,
      xids: this.#xids,
      commit: this.#commit,
    };
    while (!(await this.#insert(batch))) await sleep(pauseMs, signal);
    if (this.#isOpen) await this.options.session.batch(['commit']);
    this.#isOpen = false;
    this.#entries = this.#entries.slice(entries);
    this.#truncations -= truncations;
    this.#complete = { entries: 0, truncations: 0 };
    this.#xids = [];
    return true;
  }

  /** After `store`: writes what there is of the transaction that is being read; it is in the log when that has come to its end. */
  async spill(): Promise<void> {
    if (!this.#isOpen) await this.options.session.batch(['begin']);
    this.#isOpen = true;
    await this.#insert({
      entries: this.#entries,
      truncations: this.#truncations,
      xids: [],
      commit: null,
    });
    this.#entries = [];
    this.#truncations = 0;
  }

  /**
   * One statement, one snapshot.
   *
   * @returns false when that does not see one of the transactions: nothing was written
   */
  async #insert({ entries, truncations, xids, commit }: Batch): Promise<boolean> {
    const { session, log, segment, keyType, position } = this.options;
    const target = segment();
    const columns = [...log.columns, ...(log.step === null ? [] : [log.step])].map(ident).join(', ');
    // What one transaction alone has written is hardly ever the same row, and there may be a lot of it.
    const written = log.step === null && commit !== null ? distinct(entries) : entries;
    // As rows, and not one array for each column: arrays of arrays, and of rows, come apart when they are unnested.
    const keys = [`$4::${qualified(keyType)}[]`, ...(log.step === null ? [] : ['$5::smallint[]'])];
    const values = [
      arrayText(written.map((entry) => rowText(entry.values))),
      ...(log.step === null ? [] : [arrayText(written.map(({ step }) => String(step)))]),
    ];
    const stored = await session.execute({
      name: `ghost_keys_${target.name}`,
      text: sql`
        with now as materialized (
          select s, pg_snapshot_xmin(s)::text::bigint as oldest, pg_snapshot_xmax(s)::text::bigint as next
          from pg_current_snapshot() as s
        ),
        visible as materialized (
          select coalesce(bool_and(
            full_xid < oldest or pg_visible_in_snapshot(full_xid::text::xid8, s)
          ), true) as all_of_them
          from now
          cross join unnest($3::bigint[]) as xid
          cross join lateral (
            select ${fullXidSql('xid', 'next')} as full_xid
          ) as with_epoch
        ),
        entries as (
          insert into ${qualified(target)} (${columns})
          select e.*
          from unnest(${keys.join(', ')}) as e
          where (select all_of_them from visible)
        ),
        truncations as (
          insert into ${qualified(log.truncations)}
          select from generate_series(1, $2::int)
          where (select all_of_them from visible)
        )
        update ${qualified(position)}
        set lsn = coalesce($1::pg_lsn, lsn)
        where (select all_of_them from visible)`,
      values: [commit === null ? null : lsnText(commit), truncations, arrayText(xids.map(String)), ...values],
    });
    return stored > 0;
  }
}

/** Each key once. */
function distinct(entries: readonly Entry[]): readonly Entry[] {
  const byKey = new Map<string, Entry>();
  // What is in no text of PostgreSQL.
  for (const entry of entries)
    byKey.set(entry.values.length === 1 ? (entry.values[0] ?? '') : entry.values.join('\0'), entry);
  return byKey.size === entries.length ? entries : [...byKey.values()];
}

/** As PostgreSQL reads it: https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX */
function rowText(values: readonly string[]): string {
  return `(${values.map((value) => (/^[\w.+-]+$/.test(value) ? value : `"${escaped(value)}"`)).join(',')})`;
}

/** Of any type, from the texts of its elements. */
function arrayText(values: readonly string[]): string {
  return values.length === 0 ? '{}' : `{"${values.map(escaped).join('","')}"}`;
}

function escaped(value: string): string {
  return /["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value;
}
