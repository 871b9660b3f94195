/**
 * A connection to a walsender, as far as logical decoding needs it
 * (https://www.postgresql.org/docs/current/protocol-replication.html). What is confirmed is what its user says and nothing else.
 */
import type pg from 'pg';
import type { Socket } from 'node:net';
import { literal } from '../sql/quote.js';
import { connect } from './connect.js';
import { CopyDataReader, type CopyDataListener } from './copy-data.js';
import type { ConnectionOptions } from './conninfo/connection-options.js';
import { ownSettings } from './settings.js';
import { SqlState, sqlState } from './sqlstate.js';

/** A position in the WAL. */
export type Lsn = bigint;

export interface StreamListener {
  /** The bytes `from` to `to` of it are one message of the output plugin. They are others as soon as this has returned. */
  readonly decoded: (bytes: Buffer, from: number, to: number) => void;
  /** Everything before this position was sent. @param asked the server wants to hear of us now */
  readonly alive: (sent: Lsn, asked: boolean) => void;
  /** The stream has ended, and nobody has closed it. */
  readonly ended: (error: Error) => void;
}

export interface StreamOptions {
  readonly slot: string;
  readonly publication: string;
}

/** What of pg has no public name. */
interface Wire {
  readonly stream: Socket;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

/** Some poolers ignore what they do not know, and hand out a session like any other. @throws Error when this is one */
async function refuseOrdinary(client: pg.Client): Promise<void> {
  try {
    await client.query('IDENTIFY_SYSTEM');
  } catch (error) {
    if (sqlState(error) !== SqlState.syntaxError) throw error;
    throw new Error('an ordinary session was given for it: something in between ignores the wish', {
      cause: error,
    });
  }
}

/** Microseconds from 1970 to 2000. */
const postgresEpoch = 946_684_800_000_000n;
const dataTag = 0x77;
const keepaliveTag = 0x6b;
const dataHeader = 25;
/** The server ends a stream that it has not heard of for so long, whatever its own setting is; long enough for a write that waits. */
const heardOfWithin = '60s';

export class ReplicationStream implements AsyncDisposable {
  #closed = false;
  #bytes = 0;
  #failure: Error | null = null;
  #onBytes: () => void = () => undefined;

  private constructor(
    private readonly client: pg.Client,
    /** Of the walsender. */
    readonly pid: number | null,
  ) {}

  static async open({
    connection,
    applicationName,
  }: {
    readonly connection: ConnectionOptions;
    /** Shown in pg_stat_replication. */
    readonly applicationName: string;
  }): Promise<ReplicationStream> {
    const { client, processId } = await connect({
      connection,
      replication: true,
      types: { getTypeParser: () => (value: string) => value },
    });
    const stream = new ReplicationStream(client, processId);
    try {
      await refuseOrdinary(client);
      // Values are printed by the walsender, under its settings.
      const settings = Object.entries({
        ...ownSettings,
        application_name: applicationName,
        wal_sender_timeout: heardOfWithin,
      });
      const calls = settings.map(
        ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`,
      );
      await client.query(`select ${calls.join(', ')}`);
      return stream;
    } catch (error) {
      await stream.close();
      throw error;
    }
  }

  /**
   * Goes on from where the slot was confirmed. Resolves when the server sends; what it sends is told during `read`, but for some
   * that may have come already.
   *
   * @throws what the server says against it
   */
  async start({ slot, publication }: StreamOptions, listener: StreamListener): Promise<void> {
    const wire = this.#wire;
    const fail = (error: Error): void => {
      this.#failure ??= error;
      this.#onBytes();
      if (!this.#closed) listener.ended(error);
    };
    this.#takeOver((bytes, from, to) => {
      if (bytes[from] === dataTag) listener.decoded(bytes, from + dataHeader, to);
      else if (bytes[from] === keepaliveTag)
        listener.alive(bytes.readBigUInt64BE(from + 1), bytes[from + 17] === 1);
      // What is left out is missing in the log.
      else throw new Error(`the stream has a message of the unknown kind ${bytes[from]}`);
    }, fail);
    const options = `proto_version '1', publication_names ${literal(`"${publication}"`)}, messages 'true'`;
    await new Promise<void>((resolve, reject) => {
      const end = (error: Error): void => {
        reject(error);
        fail(error);
      };
      wire.once('replicationStart', resolve);
      this.client.on('error', end);
      this.client
        .query(`START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (${options})`)
        .then(() => end(new Error('Connection terminated: the stream has ended')), end);
    });
    wire.stream.pause();
  }

  /** From here on pg gets only what is no CopyData. */
  #takeOver(data: CopyDataListener['data'], failed: (error: Error) => void): void {
    const { stream } = this.#wire;
    const listeners = stream.listeners('data') as ((bytes: Buffer) => void)[];
    const reader = new CopyDataReader({
      data,
      other: (message) => listeners.forEach((listener) => listener.call(stream, message)),
    });
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      try {
        if (this.#failure === null) reader.push(chunk);
      } catch (error) {
        failed(error as Error);
      }
      this.#onBytes();
    });
  }

  /**
   * Reads what has come, or what comes next, and tells all of it. Between two calls nothing is read: the socket fills, and then
   * the server waits. So one wake-up is for as much as has come since the last one.
   *
   * @returns the number of bytes
   * @throws why it has ended
   */
  async read(): Promise<number> {
    const { stream } = this.#wire;
    this.#bytes = 0;
    const something = new Promise<void>((resolve) => (this.#onBytes = resolve));
    if (this.#failure === null) {
      stream.resume();
      await something;
      // The rest of what is there is read before that.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!this.#closed) stream.pause();
    if (this.#failure !== null) throw this.#failure;
    return this.#bytes;
  }

  /** Everything before this position is kept: the server need not send it again, and may forget its WAL. */
  confirm(position: Lsn): void {
    if (this.#closed) return;
    const message = Buffer.alloc(34);
    message.write('r', 0, 'latin1');
    for (const offset of [1, 9, 17]) message.writeBigUInt64BE(position, offset);
    message.writeBigInt64BE(BigInt(Date.now()) * 1000n - postgresEpoch, 25);
    this.#wire.sendCopyFromChunk(message);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure ??= new Error('the stream was closed');
    this.#onBytes();
    this.#wire.stream.resume();
    await this.client.end().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #wire(): Wire {
    return (this.client as unknown as { connection: Wire }).connection;
  }
}
