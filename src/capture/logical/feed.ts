/**
 * Brings the keys of a slot into the log while a run is under way. What is confirmed to the server is in the log to stay, or there
 * was nothing to write: so a process that dies, a write that hangs or fails, leaves the rest where it was, in the WAL.
 *
 * It reads in bites and rests in between, since each time it wakes up costs more than what a transaction does then. While it rests
 * or writes nothing is read, so that memory is bounded by one bite. Who waits for the log is not kept waiting by that.
 */
import { randomUUID } from 'node:crypto';
import { advice, toDo } from '../../advice.js';
import { FailedError } from '../../errors.js';
import { inTime, late } from '../../db/wait.js';
import type { Session } from '../../db/session.js';
import type { Key } from '../../model/key.js';
import type { Lsn, ReplicationStream } from '../../db/replication.js';
import { DurablePosition } from './durable.js';
import { KeyWriter, type KeyWriterOptions } from './key-writer.js';
import { MessageReader, toLsn, type MessageListener, type Values } from './messages.js';
import { restMs } from './rest.js';

export interface FeedOptions extends KeyWriterOptions {
  readonly key: Key;
  readonly stream: ReplicationStream;
  readonly slot: string;
  readonly publication: string;
  /** Of the migration. */
  readonly id: number;
  /** Of the table whose keys are wanted. */
  readonly table: number;
  /** Of the key's columns, in the key's order, among those that are published: they may be renamed, and renamed back. */
  readonly positions: readonly number[];
  /** Says where the stream must have come to, and hears what is on disk; its commits do not wait for standbys. */
  readonly beacon: Session;
}

/** How far it has come is looked at, and told, so often. The server ends a stream that it does not hear of. */
const sayEveryMs = 1_000;
const prefix = 'pg-ghost';
/** A write of a few keys. */
const endsMs = 2_000;

/** The transaction of the stream that is being read. */
interface Open {
  readonly xid: number;
  readonly commit: Lsn;
  /** Its keys are in the log already. */
  readonly isKnown: boolean;
  hasWritten: boolean;
}

export class Feed implements AsyncDisposable, MessageListener {
  readonly #writer: KeyWriter;
  readonly #reader: MessageReader;
  readonly #stop = new AbortController();
  /** Who waits, by the token that they have sent. */
  readonly #beacons = new Map<string, () => void>();
  #askedAt = -Infinity;
  #wake: () => void = () => undefined;
  /** The last transaction that was in the log before. */
  #from: Lsn = 0n;
  #open: Open | null = null;
  /** Of the last transaction that was read to its end. */
  #end: Lsn = 0n;
  /** That have come; what came before them may not be stored. */
  #tokens: string[] = [];
  readonly #position = new DurablePosition();
  #isLooking = false;
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> = Promise.resolve();

  private constructor(private readonly options: FeedOptions) {
    this.#writer = new KeyWriter(options);
    this.#reader = new MessageReader(options, this);
  }

  /** @throws what the server says against it: there is no such slot, somebody else reads it, its WAL is gone */
  static async start(options: FeedOptions): Promise<Feed> {
    const feed = new Feed(options);
    const { stream, slot, publication } = options;
    feed.#from = await feed.#writer.position();
    await stream.start(
      { slot, publication },
      {
        decoded: (bytes, from, to) => feed.#reader.read(bytes, from, to),
        alive: (sent, asked) => feed.#answer(sent, asked),
        ended: (error) => feed.#stop.abort(error),
      },
    );
    feed.#stop.signal.addEventListener('abort', () => feed.#wake(), { once: true });
    feed.#timer = setInterval(() => void feed.#sayAndLook(), sayEveryMs);
    feed.#reading = feed.#read().catch((error: unknown) => feed.#stop.abort(error));
    return feed;
  }

  /** Aborts when it has ended, whoever has ended it; the reason is the error. */
  get ended(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves when the keys of all that was committed before the call are in the log. */
  async upTo(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#stop.signal]);
    either.throwIfAborted();
    const token = randomUUID();
    const passed = new Promise<void>((resolve, reject) => {
      this.#beacons.set(token, resolve);
      either.addEventListener('abort', () => reject(either.reason as Error), { once: true });
    });
    // Somebody waits for it below; a beacon that cannot be sent is the error to tell.
    passed.catch(() => undefined);
    this.#wake();
    try {
      await this.options.beacon.rows({
        text: `select pg_logical_emit_message(true, $1, $2)`,
        values: [prefix, token],
      });
      await passed;
    } finally {
      this.#beacons.delete(token);
      this.#askedAt = performance.now();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the feed was closed'));
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.options.stream.close();
    if ((await inTime(this.#reading, endsMs)) === late) await this.#cancelWrite();
  }

  /** One that hangs (somebody has locked the log) keeps nobody from ending: what it would have stored comes again. */
  async #cancelWrite(): Promise<void> {
    const { beacon, session } = this.options;
    await beacon.rows({ text: 'select pg_cancel_backend($1)', values: [session.pid] }).catch(() => undefined);
    await inTime(this.#reading, endsMs);
  }

  /** Traffic that is none of ours must not pin the slot: where nothing waits, all of it is confirmed. */
  #answer(sent: Lsn, asked: boolean): void {
    if (this.#open === null && this.#writer.isEmpty) this.#position.stored(sent, false);
    if (asked) this.#say();
  }

  #say(): void {
    // Where nothing was confirmed yet it is a sign of life, and no more.
    if (!this.#stop.signal.aborted) this.options.stream.confirm(this.#position.confirmed);
  }

  async #sayAndLook(): Promise<void> {
    this.#say();
    if (this.#isLooking || !this.#position.isBehind) return;
    this.#isLooking = true;
    try {
      const asked = this.#position.ask();
      const { inserted, flushed } = await this.options.beacon.row<{ inserted: string; flushed: string }>(
        `select pg_current_wal_insert_lsn()::text as inserted, pg_current_wal_flush_lsn()::text as flushed`,
      );
      this.#position.answered(asked, { inserted: toLsn(inserted), flushed: toLsn(flushed) });
    } catch (error) {
      this.#stop.abort(error);
    } finally {
      this.#isLooking = false;
    }
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    let readAt = performance.now();
    while (!signal.aborted) {
      const bytes = await this.options.stream.read();
      if (signal.aborted) return;
      await this.#store();
      const now = performance.now();
      const sinceAskedMs = this.#beacons.size > 0 ? 0 : now - this.#askedAt;
      const rest = restMs({ bytes, overMs: now - readAt, sinceAskedMs });
      readAt = now;
      if (rest > 0 && !signal.aborted) await this.#rest(rest);
    }
  }

  async #rest(ms: number): Promise<void> {
    await inTime(new Promise<void>((resolve) => (this.#wake = resolve)), ms);
  }

  /** What was read to its end is in the log, and only then is it said. */
  async #store(): Promise<void> {
    const { signal } = this.#stop;
    const [end, tokens] = [this.#end, this.#tokens];
    this.#tokens = [];
    const wrote = await this.#writer.store(signal);
    this.#position.stored(end, wrote);
    if (this.#writer.isLong) await this.#writer.spill();
    for (const token of tokens) this.#beacons.get(token)?.();
  }

  begin(xid: number, commit: Lsn): void {
    this.#open = { xid, commit, isKnown: commit <= this.#from, hasWritten: false };
  }

  commit(end: Lsn): void {
    const { xid, commit, hasWritten } = this.#transaction();
    this.#open = null;
    this.#end = end;
    if (hasWritten) this.#writer.complete(xid, commit);
  }

  inserted(after: Values): void {
    this.#add(after, 1);
  }

  deleted(before: Values): void {
    this.#add(before, -1);
  }

  updated(before: Values | null, after: Values): void {
    // A value that is stored apart and is what it was is in the former row alone.
    const now = before === null ? after : after.map((value, index) => value ?? before[index] ?? null);
    this.#add(now, 0);
    if (before?.some((value, index) => value !== now[index]) === true) this.#add(before, 0);
  }

  truncated(): void {
    if (this.#isToKeep()) this.#writer.truncated();
  }

  message(sender: string, content: string): void {
    // Transactions come in the order of their commits: all that were committed before it are here.
    if (sender === prefix) this.#tokens.push(content);
  }

  /** Somebody has changed it meanwhile: a row whose key changes would stay under the former one. */
  described(hasFormer: readonly boolean[]): void {
    this.#expectAll((index) => hasFormer[index] === true);
  }

  #add(values: Values, step: number): void {
    if (!this.#isToKeep()) return;
    this.#expectAll((index) => values[index] !== null);
    this.#writer.add(values as string[], step);
  }

  /** @throws FailedError when it is not so for each column of the key */
  #expectAll(isThere: (index: number) => boolean): void {
    const missing = this.options.key.columns.filter((_, index) => !isThere(index)).map(({ name }) => name);
    if (missing.length > 0) throw this.#interrupted(missing);
  }

  #isToKeep(): boolean {
    const open = this.#transaction();
    if (open.isKnown) return false;
    open.hasWritten = true;
    return true;
  }

  #interrupted(missing: readonly string[]): FailedError {
    const { id } = this.options;
    return new FailedError(
      'capture-interrupted',
      `the stream does not have all of the key any more (${missing.join(', ')}): the replica identity of the table, or its columns, are others`,
      {
        state: `writes may be missing from the log; the source is untouched, and migration ${id} cannot go on`,
        hint: advice`${toDo('abort', id)}, then run again`,
      },
    );
  }

  #transaction(): Open {
    if (this.#open === null) throw new Error('a change outside of a transaction');
    return this.#open;
  }
}
