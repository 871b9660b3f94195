/**
 * Between the tool and the server, on a port of its own: it reads just enough of the protocol to know one message from the
 * next, and can break connections off before or after one of them.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** On its way to the server. */
export interface Message {
  /** `Q` is a simple query, `P` a statement with parameters; `startup` the first of all. */
  readonly type: string;
  /** Of a simple query; its body as text, of others. */
  readonly text: string;
  readonly bytes: Buffer;
}

/** What it does to the link is done before anything follows. */
export type OnMessage = (message: Message, link: Link) => Promise<void> | void;

export class Proxy implements AsyncDisposable {
  /** Told of each message, and awaited, before it is forwarded. */
  onMessage: OnMessage = () => {};
  /** New connections are cut at once, and counted. */
  refusing = false;
  refused = 0;
  accepted = 0;
  onRefused: () => void = () => {};
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #target: URL;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  static async open(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  /** For the tool. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    // There is nothing to read in what is encrypted.
    url.searchParams.set('sslmode', 'disable');
    return url.href;
  }

  /** New connections go there. */
  switchTo(target: string): void {
    this.#target = new URL(target);
  }

  cutAll(): void {
    for (const link of this.#links) link.cut();
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if (this.refusing) {
      this.refused += 1;
      this.onRefused();
      client.destroy();
      return;
    }
    this.accepted += 1;
    const server = connect({ host: this.#target.hostname, port: Number(this.#target.port), noDelay: true });
    const link: Link = new Link(client, server, (message) => this.onMessage(message, link));
    this.#links.add(link);
    client.on('close', () => this.#links.delete(link));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** One connection through the proxy. */
export class Link {
  /** Not yet a whole message. */
  #received = Buffer.alloc(0);
  /** The first message has no type. */
  #started = false;
  #cut = false;
  #silent = false;
  #forwarded: Message | null = null;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    onMessage: (message: Message) => Promise<void> | void,
  ) {
    server.on('error', () => this.cut());
    server.on('close', () => this.cut());
    client.on('close', () => this.cut());
    server.on('data', (data) => {
      if (!this.#silent) client.write(data);
    });
    let work = Promise.resolve();
    client.on('data', (data) => {
      work = work.then(async () => {
        this.#received = Buffer.concat([this.#received, data]);
        for (let message = this.#take(); message !== null; message = this.#take()) {
          await onMessage(message);
          if (this.#cut) return;
          await this.forward(message);
        }
      });
    });
  }

  /** Lets the answers of the server go nowhere. */
  silence(): void {
    this.#silent = true;
  }

  /** Done for each message; once, by whoever is first. */
  async forward(message: Message): Promise<void> {
    if (message === this.#forwarded) return;
    this.#forwarded = message;
    await new Promise<void>((resolve) => this.server.write(message.bytes, () => resolve()));
  }

  /** Forwards it, and resolves when the server has begun to answer, which nobody is told. */
  async swallow(message: Message): Promise<void> {
    this.#silent = true;
    const answer = once(this.server, 'data');
    await this.forward(message);
    await answer;
  }

  /** Both sides. */
  cut(): void {
    this.#cut = true;
    this.client.destroy();
    this.server.destroy();
  }

  #take(): Message | null {
    const head = this.#started ? 1 : 0;
    if (this.#received.length < head + 4) return null;
    const end = head + this.#received.readInt32BE(head);
    if (this.#received.length < end) return null;
    const bytes = this.#received.subarray(0, end);
    this.#received = this.#received.subarray(end);
    const type = this.#started ? bytes.toString('latin1', 0, 1) : 'startup';
    this.#started = true;
    return { type, text: bytes.toString('utf8', head + 4).replace(/\0$/, ''), bytes };
  }
}
