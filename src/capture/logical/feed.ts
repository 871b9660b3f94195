/**
 * Brings the keys of a slot into the log while a run is under way. What is confirmed to the server is in the log to stay, or there
 * was nothing to write: so a process that dies, a write that hangs or fails, leaves the rest where it was, in the WAL.
 */
import { randomUUID } from 'node:crypto';
import { advice, toDo } from '../../advice.js';
import { FailedError } from '../../errors.js';
import { inTime } from '../../db/wait.js';
import type { Session } from '../../db/session.js';
import type { Lsn, ReplicationStream } from '../../db/replication.js';
import { KeyWriter, type KeyWriterOptions } from './key-writer.js';
import { MessageReader, type Message, type Tuple } from './messages.js';

export interface FeedOptions extends KeyWriterOptions {
  readonly stream: ReplicationStream;
  readonly slot: string;
  readonly publication: string;
  /** Of the migration. */
  readonly id: number;
  /** Of the table whose keys are wanted. */
  readonly table: number;
  /** Of the key's columns, in the key's order, among those that are published: they may be renamed, and renamed back. */
  readonly positions: readonly number[];
  /** Says where the stream must have come to; its commits do not wait for standbys. */
  readonly beacon: Session;
}

/** Of what the server has sent and nobody has looked at: then it is to wait. */
const mostWaiting = 8 * 1024 * 1024;
const enoughWaiting = 1024 * 1024;
/** What a message takes in memory besides its values, which may be very short. */
const messageBytes = 500;
/** So many small transactions are written at once; who waits for the log does not wait for this. */
const togetherMs = 50;
/** The server ends a stream that it does not hear of: for a minute, by default. */
const sayEveryMs = 5_000;
const prefix = 'pg-ghost';

/** The transaction of the stream that is being read. */
interface Open {
  readonly xid: number;
  readonly commit: Lsn;
  /** Its keys are in the log already. */
  readonly isKnown: boolean;
  hasWritten: boolean;
}

/** Transactions that were read to their end, and are not stored. */
interface Completed {
  readonly xids: number[];
  /** Of the last one that has written. */
  commit: Lsn;
  /** Of the last one. */
  end: Lsn;
  readonly tokens: string[];
}

const nothing = { commit: 0n, end: 0n };

interface Received {
  readonly message: Message;
  readonly bytes: number;
}

export class Feed implements AsyncDisposable {
  readonly #writer: KeyWriter;
  readonly #reader = new MessageReader();
  readonly #stop = new AbortController();
  readonly #beacons = new Map<string, () => void>();
  #received: Received[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  /** How many transactions end in what was received. */
  #commits = 0;
  #wake: () => void = () => undefined;
  /** Of the key's columns, at the moment of what is being read. */
  #names: readonly string[] = [];
  #open: Open | null = null;
  #complete: Completed = { ...nothing, xids: [], tokens: [] };
  #confirmed: Lsn = 0n;
  #storedAt = -Infinity;
  #isIdle = true;
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> = Promise.resolve();

  private constructor(private readonly options: FeedOptions) {
    this.#writer = new KeyWriter(options);
  }

  /** @throws what the server says against it: there is no such slot, somebody else reads it, its WAL is gone */
  static async start(options: FeedOptions): Promise<Feed> {
    const feed = new Feed(options);
    const { stream, slot, publication } = options;
    const from = await feed.#writer.position();
    await stream.start(
      { slot, publication },
      {
        decoded: (payload) => feed.#receive(payload),
        alive: (sent, asked) => feed.#answer(sent, asked),
        ended: (error) => feed.#stop.abort(error),
      },
    );
    feed.#stop.signal.addEventListener('abort', () => feed.#wake(), { once: true });
    feed.#timer = setInterval(() => feed.#say(), sayEveryMs);
    feed.#reading = feed.#read(from).catch((error: unknown) => feed.#stop.abort(error));
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
    try {
      await this.options.beacon.rows({
        text: `select pg_logical_emit_message(true, $1, $2)`,
        values: [prefix, token],
      });
      await passed;
    } finally {
      this.#beacons.delete(token);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the feed was closed'));
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.options.stream.close();
    await this.#reading;
  }

  #receive(payload: Buffer): void {
    try {
      const message = this.#reader.read(payload);
      if (message === null) return;
      const bytes = payload.length + messageBytes;
      this.#received.push({ message, bytes });
      if (message.kind === 'commit') this.#commits += 1;
      this.#isIdle = false;
      this.#waitingBytes += bytes;
      if (this.#waitingBytes > mostWaiting && !this.#isPaused) {
        this.#isPaused = true;
        this.options.stream.pause();
      }
      this.#wake();
    } catch (error) {
      this.#stop.abort(error);
    }
  }

  /** Traffic that is none of ours must not pin the slot: where nothing waits, all of it is confirmed. */
  #answer(sent: Lsn, asked: boolean): void {
    if (this.#isIdle && sent > this.#confirmed) this.#confirmed = sent;
    if (asked) this.#say();
  }

  #say(): void {
    // Where nothing was confirmed yet it is a sign of life, and no more.
    if (!this.#stop.signal.aborted) this.options.stream.confirm(this.#confirmed);
  }

  /** Resolves when something was received, or it is over. */
  async #more(): Promise<void> {
    while (this.#received.length === 0 && !this.#stop.signal.aborted) {
      const isComplete = this.#open === null;
      if (isComplete && this.#isDue) await this.#store();
      // It took its time: what was heard of meanwhile has woken nobody.
      if (this.#received.length > 0 || this.#stop.signal.aborted) return;
      const hasMore = this.#complete.xids.length > 0;
      this.#isIdle = isComplete && !hasMore && this.#writer.isEmpty;
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await (isComplete && hasMore ? inTime(woken, togetherMs) : woken);
    }
  }

  /** What was read to its end is written now: somebody waits for it, there is much of it, or it has waited long enough. */
  get #isDue(): boolean {
    const { tokens } = this.#complete;
    return tokens.length > 0 || this.#writer.isLong || performance.now() - this.#storedAt >= togetherMs;
  }

  async #read(from: Lsn): Promise<void> {
    for (;;) {
      await this.#more();
      const batch = this.#received;
      this.#received = [];
      for (const { message, bytes } of batch) {
        if (this.#stop.signal.aborted) return;
        this.#waitingBytes -= bytes;
        if (this.#isPaused && this.#waitingBytes < enoughWaiting) {
          this.#isPaused = false;
          this.options.stream.resume();
        }
        await this.#take(message, from);
      }
      if (this.#stop.signal.aborted) return;
    }
  }

  /** Each in its order; in as few writes as there can be without anybody waiting for it. */
  async #take(message: Message, from: Lsn): Promise<void> {
    switch (message.kind) {
      case 'begin':
        // A long one is still coming: what is complete does not wait for it.
        if (this.#commits === 0) await this.#store();
        this.#open = {
          xid: message.xid,
          commit: message.commit,
          isKnown: message.commit <= from,
          hasWritten: false,
        };
        return;
      case 'relation':
        this.#refuseOtherIdentity(message);
        return;
      case 'message':
        if (message.prefix === prefix) this.#complete.tokens.push(message.content);
        return;
      case 'commit': {
        const open = this.#transaction();
        this.#open = null;
        this.#commits -= 1;
        this.#complete.end = message.end;
        if (open.hasWritten) {
          this.#complete.xids.push(open.xid);
          this.#complete.commit = open.commit;
        }
        if (this.#writer.isLong || (this.#commits === 0 && this.#isDue)) await this.#store();
        return;
      }
      default: {
        const open = this.#transaction();
        if (!open.isKnown && (await this.#keep(message))) open.hasWritten = true;
      }
    }
  }

  /** Somebody has changed it meanwhile: a row whose key changes would stay under the former one. */
  #refuseOtherIdentity({
    relation,
    columns,
    identity,
  }: Extract<Message, { readonly kind: 'relation' }>): void {
    const { table, key, positions } = this.options;
    if (relation !== table) return;
    this.#names = positions.map((position) => columns[position] ?? '');
    const missing = key.columns.filter((_, index) => !identity.includes(this.#names[index] ?? ''));
    if (missing.length > 0) throw this.#interrupted(missing.map(({ name }) => name));
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

  /** @param former where a value was not sent because it is stored apart and is what it was */
  #keyOf(tuple: Tuple, former: Tuple | null = null): string[] {
    return this.#names.map((name) => {
      const value = tuple[name] ?? former?.[name];
      if (value === undefined || value === null) throw this.#interrupted([name]);
      return value;
    });
  }

  #transaction(): Open {
    if (this.#open === null) throw new Error('a change outside of a transaction');
    return this.#open;
  }

  /** What was read to its end is in the log, to stay, and only then is it said. */
  async #store(): Promise<void> {
    const { xids, commit, end, tokens } = this.#complete;
    if (xids.length > 0) await this.#writer.complete({ xids, commit }, this.#stop.signal);
    this.#complete = { ...nothing, xids: [], tokens: [] };
    this.#storedAt = performance.now();
    if (end > this.#confirmed) {
      this.#confirmed = end;
      this.#say();
    }
    for (const token of tokens) this.#beacons.get(token)?.();
  }

  /** @returns false when it is none of ours */
  async #keep(
    message: Extract<Message, { readonly kind: 'insert' | 'update' | 'delete' | 'truncate' }>,
  ): Promise<boolean> {
    const { table } = this.options;
    if (message.kind === 'truncate') {
      if (!message.relations.includes(table)) return false;
      this.#writer.truncated();
      return true;
    }
    if (message.relation !== table) return false;
    switch (message.kind) {
      case 'insert':
        await this.#writer.add({ values: this.#keyOf(message.after), step: 1 });
        break;
      case 'delete':
        await this.#writer.add({ values: this.#keyOf(message.before), step: -1 });
        break;
      case 'update': {
        const after = this.#keyOf(message.after, message.before);
        await this.#writer.add({ values: after, step: 0 });
        if (message.before === null) break;
        const before = this.#keyOf(message.before);
        if (before.some((value, index) => value !== after[index]))
          await this.#writer.add({ values: before, step: 0 });
      }
    }
    return true;
  }
}
