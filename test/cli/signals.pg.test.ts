/** However much the process hangs on something, a second signal ends it within seconds. */
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import { Process } from './processes.js';

const shape = ['--table', 'orders', '--rewrite'];
const orders = `create table orders (id int primary key); insert into orders select generate_series(1, 1000)`;

/** Forwards everything until it is frozen; then nothing any more, in connections old and new. */
class Wire implements AsyncDisposable {
  frozen = false;
  accepted = 0;
  readonly #server = createServer((client) => this.#accept(client));
  readonly #sockets = new Set<Socket>();

  constructor(private readonly target: URL) {}

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return url.href;
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const server = connect({ host: this.target.hostname, port: Number(this.target.port) });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('data', (data) => void (this.frozen || to.write(data)));
      from.on('close', () => void (this.frozen || to.destroy()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** From the second signal on. */
async function expectEnd(process: Process): Promise<void> {
  const asked = performance.now();
  process.child.kill('SIGTERM');
  expect(await process.exitCode()).toBe(130);
  expect(performance.now() - asked).toBeLessThan(15_000);
  expect(process.stderr).toContain('stopped: stopped as asked');
}

test('a server that does not answer any more, in the middle of a run and when connecting', async () => {
  await using db = await createDatabase(orders);
  await using wire = new Wire(new URL(db.url));
  const url = await wire.open();
  await using run = new Process(['run', ...shape, '--postpone-cutover'], { url });
  await run.says('postponed until pg-ghost cutover');
  wire.frozen = true;
  run.child.kill('SIGTERM');
  await run.says('once more cancels it', 'stderr');
  await expectEnd(run);

  // Nothing has to be finished while there is no connection: the first signal is enough.
  for (const args of [['run', ...shape], ['status'], ['abort', '1'], ['pause', '1']]) {
    const before = wire.accepted;
    await using waiting = new Process(args, { url });
    await until(() => wire.accepted > before, { what: `${args[0]} to connect`, timeoutMs: 60_000 });
    await expectEnd(waiting);
  }
});

test('a lock that never comes', async () => {
  await using db = await createDatabase(orders);
  const locker = await db.connect();
  await locker.query('begin; lock orders in access exclusive mode');
  await using plan = new Process(['run', ...shape], db);
  await until(
    async () =>
      (
        await db.query(
          `select from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%' and wait_event_type = 'Lock'`,
        )
      ).rowCount === 1,
    { what: 'the run to wait', timeoutMs: 60_000 },
  );
  plan.child.kill('SIGTERM');
  await plan.says('once more cancels it', 'stderr');
  await expectEnd(plan);
  await locker.query('rollback');
});
