/** A session on a replica that may be slow, down, or not there: it never holds up whoever asks. */
import { describeConnection } from '../../db/connection.js';
import type { ConnectionOptions } from '../../db/conninfo/connection-options.js';
import { Session } from '../../db/session.js';
import { inTime, late } from '../../db/wait.js';

/** The server's, and ours around it: a network that swallows packets answers nothing at all. */
const statementTimeoutMs = 2_000;
const answerWithinMs = 3_000;

export class ReplicaConnection {
  /** Without a password. */
  readonly name: string;
  #opening: Promise<Session> | null = null;
  #session: Session | null = null;
  #closed = false;

  constructor(
    private readonly connection: ConnectionOptions,
    private readonly applicationName: string,
  ) {
    this.name = describeConnection(connection);
  }

  /**
   * Connects when needed, and again after a failure.
   *
   * @throws the error of the connection or of the work; Error when there was no answer in time
   */
  async ask<T>(work: (session: Session) => Promise<T>): Promise<T> {
    // An attempt that took too long is not given up: the next time may find it done.
    this.#opening ??= this.#open();
    const answer = this.#opening.then(work);
    try {
      const answered = await inTime(answer, answerWithinMs);
      if (answered === late) throw new Error(`no answer within ${answerWithinMs / 1000} s`);
      return answered;
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const session = this.#session;
    if (session === null) return;
    const closed = await inTime(session.close(), answerWithinMs).catch(() => late);
    if (closed === late) session.destroy();
  }

  async #open(): Promise<Session> {
    try {
      const session = await Session.open({
        own: true,
        connection: this.connection,
        applicationName: this.applicationName,
        settings: { statement_timeout: String(statementTimeoutMs) },
      });
      if (this.#closed) await session.close();
      this.#session = session;
      return session;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  /** Without a word: a server that does not answer would not answer to a goodbye either. */
  #drop(): void {
    if (this.#session === null) return;
    this.#session.destroy();
    this.#session = null;
    this.#opening = null;
  }
}
