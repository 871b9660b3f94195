/**
 * A small connection pooler for tests: it lets many clients use few sessions of the server. In transaction mode a client has
 * one from its first message to the end of its transaction (ReadyForQuery `I`), in session mode for as long as it stays.
 * https://www.postgresql.org/docs/current/protocol-flow.html
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { until } from './until.js';

export interface PoolerOptions {
  readonly mode: 'transaction' | 'session';
  /** Sessions of the server; more clients wait. */
  readonly size: number;
  /** Which of the free sessions is next. */
  readonly order: 'newest' | 'oldest' | 'random';
  /** What a client is told as its backend: something of our own, or what the server told us of one of its sessions. */
  readonly key: 'own' | 'of the server';
  /**
   * What becomes of a client that asks for a replication connection: PgBouncer before 1.23 refuses it, or ignores the wish where
   * `ignore_startup_parameters` has it; later ones hand it on to the server, in a session of its own. `ignored` when not given.
   */
  readonly replication?: 'refused' | 'ignored' | 'passed on';
}

interface Backend {
  readonly client: pg.Client;
  readonly socket: Socket;
  /** Those of pg: put back where nobody has the session. */
  readonly listeners: readonly ((data: Buffer) => void)[];
}

/** As PgBouncer says it. */
const refusal = 'SFATAL\0C08P01\0Munsupported startup parameter: replication\0\0';
const sslRequest = 80877103;
const gssRequest = 80877104;

export class TransactionPooler implements AsyncDisposable {
  readonly #server: Server;
  readonly #free: Backend[] = [];
  readonly #all: Backend[] = [];
  readonly #waiting: ((backend: Backend) => void)[] = [];
  readonly #clients = new Set<Socket>();
  #parameters = new Map<string, string>();

  private constructor(
    private readonly target: string,
    readonly options: PoolerOptions,
  ) {
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** All of its sessions are there when it returns. */
  static async open(target: string, options: PoolerOptions): Promise<TransactionPooler> {
    const pooler = new TransactionPooler(target, options);
    for (let index = 0; index < options.size; index += 1) await pooler.#connect();
    await once(pooler.#server.listen(0, '127.0.0.1'), 'listening');
    return pooler;
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** Asks each session, one after the other, while no client has it. */
  async ask<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const rows: Row[] = [];
    for (const { client } of this.#all) rows.push(...(await client.query<Row>(text)).rows);
    return rows;
  }

  /** Until no client has a session. */
  async idle(): Promise<void> {
    await until(() => this.#free.length === this.#all.length, { what: 'the clients to be gone' });
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({ connectionString: this.target, application_name: 'the application' });
    client.on('error', () => {});
    const { connection } = client as unknown as { connection: NodeJS.EventEmitter & { stream: Socket } };
    connection.on('parameterStatus', ({ parameterName, parameterValue }: Record<string, string>) =>
      this.#parameters.set(parameterName ?? '', parameterValue ?? ''),
    );
    await client.connect();
    const socket = connection.stream;
    const listeners = socket.listeners('data') as ((data: Buffer) => void)[];
    const backend = { client, socket, listeners };
    this.#all.push(backend);
    this.#free.push(backend);
  }

  async #take(): Promise<Backend> {
    const { order } = this.options;
    const at =
      order === 'oldest' ? 0 : order === 'newest' ? -1 : Math.floor(Math.random() * this.#free.length);
    const [backend] = this.#free.splice(at, 1);
    return backend ?? (await new Promise<Backend>((resolve) => this.#waiting.push(resolve)));
  }

  #give(backend: Backend): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(backend);
    else next(backend);
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    let started = false;
    let received = Buffer.alloc(0);
    let backend: Backend | null = null;
    /** Requests that end with a ReadyForQuery, and have not had theirs. */
    let open = 0;
    let gone = false;

    const back = (): void => {
      if (backend === null) return;
      const { socket, listeners } = backend;
      socket.removeAllListeners('data');
      for (const listener of listeners) socket.on('data', listener);
      this.#give(backend);
      backend = null;
    };
    const readMessages = messageReader((type, body) => {
      if (type !== 'Z') return;
      open -= 1;
      if (open === 0 && body.toString('latin1') === 'I' && (this.options.mode === 'transaction' || gone))
        back();
    });
    const lend = async (): Promise<Backend> => {
      const taken = await this.#take();
      taken.socket.removeAllListeners('data');
      taken.socket.on('data', (data: Buffer) => {
        if (!gone) client.write(data);
        readMessages(data);
      });
      return taken;
    };
    const onMessage = async (type: string, bytes: Buffer): Promise<void> => {
      if (type === 'X') return void client.end();
      backend ??= await lend();
      if (gone) return back();
      if ('QS'.includes(type)) open += 1;
      backend.socket.write(bytes);
    };
    let work = Promise.resolve();
    client.on('data', (data) => {
      work = work.then(async () => {
        received = Buffer.concat([received, data]);
        for (;;) {
          const head = started ? 1 : 0;
          if (received.length < head + 4) return;
          const end = head + received.readInt32BE(head);
          if (received.length < end) return;
          const bytes = received.subarray(0, end);
          received = received.subarray(end);
          if (started) {
            await onMessage(bytes.toString('latin1', 0, 1), bytes);
            continue;
          }
          const code = bytes.readInt32BE(4);
          if (code === sslRequest || code === gssRequest) client.write('N');
          else if (this.#isReplication(bytes) && this.options.replication === 'refused') {
            client.end(message('E', Buffer.from(refusal)));
            return;
          } else if (this.#isReplication(bytes) && this.options.replication === 'passed on') {
            this.#passOn(client, bytes);
            return;
          } else {
            started = true;
            client.write(this.#welcome());
          }
        }
      });
    });
    client.on('error', () => {});
    client.on('close', () => {
      gone = true;
      this.#clients.delete(client);
      // A real pooler resets it (or not): the tests look at what was left.
      if (open === 0) back();
    });
  }

  #isReplication(startup: Buffer): boolean {
    return startup.includes('replication\0database\0');
  }

  #passOn(client: Socket, startup: Buffer): void {
    const { hostname, port } = new URL(this.target);
    const server = connect({ host: hostname, port: Number(port) });
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    client.removeAllListeners('data');
    server.write(startup);
    client.pipe(server);
    server.pipe(client);
  }

  #welcome(): Buffer {
    const [first] = this.#all;
    const { processID = 0 } = (first?.client ?? {}) as unknown as { processID?: number };
    const key = Buffer.alloc(8);
    key.writeInt32BE(this.options.key === 'own' ? 123_456_789 : processID, 0);
    return Buffer.concat([
      message('R', Buffer.from([0, 0, 0, 0])),
      ...[...this.#parameters].map(([name, value]) => message('S', Buffer.from(`${name}\0${value}\0`))),
      message('K', key),
      message('Z', Buffer.from('I')),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    for (const { socket } of this.#all) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4, 0);
  return Buffer.concat([Buffer.from(type), length, body]);
}

function messageReader(on: (type: string, body: Buffer) => void): (data: Buffer) => void {
  let received = Buffer.alloc(0);
  return (data) => {
    received = Buffer.concat([received, data]);
    while (received.length >= 5) {
      const end = 1 + received.readInt32BE(1);
      if (received.length < end) return;
      on(received.toString('latin1', 0, 1), received.subarray(5, end));
      received = received.subarray(end);
    }
  };
}
