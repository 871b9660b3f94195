/**
 * The demo: a server of its own, a table under load, the change through the library, and the proof that nothing was lost.
 * Whatever ends it, no process and no directory is left.
 */
import { commandLine } from '../command-line.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { Session } from '../../db/session.js';
import { FailedError } from '../../errors.js';
import type { EmbeddedMajor } from '../../lab/embedded-binaries.js';
import { type EmbeddedServer, startEmbeddedServer } from '../../lab/embedded-server.js';
import { combineListeners } from '../../run/emitter.js';
import { bytes, count, counted, duration } from '../../report/format.js';
import type { Look } from '../../report/paint.js';
import { renderPlan } from '../../report/plan-text.js';
import type { Reporter } from '../../report/reporter.js';
import { ShopApplication } from './application.js';
import { Stopwatch } from './figures.js';
import { type Check, type KeyType, prove } from './proof.js';
import { seed, shop } from './shop.js';

/** As a small production server would have them; everything about durability stays on. */
const serverSettings = {
  shared_buffers: '256MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '4GB',
  checkpoint_completion_target: '0.9',
};

/** The application alone, for comparison, and again on the new table. */
const beforeMs = 1500;
const afterMs = 1500;
/** Writes that nothing but the log of the new table knows of, and later ones. */
const aroundRollbackMs = 500;

export interface DemoOptions {
  readonly rows: number;
  readonly writers: number;
  readonly major: EmbeddedMajor;
  /** Ends the demo at once. */
  readonly signal: AbortSignal;
  readonly library: Pick<typeof import('../../index.js'), 'plan' | 'migrate' | 'rollback' | 'finalize'>;
  readonly print: (line: string) => void;
  readonly look: Look;
  /** For the progress of the run; `footer` is shown below it where there is room. */
  readonly reporter: (footer: () => string[]) => Reporter;
}

/** @throws FailedError `demo-not-proved` when a write is missing or the application saw an error */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { major, signal, print, rows } = options;
  const clock = stopwatch();
  await using server = await startEmbeddedServer({ major, settings: serverSettings, signal });
  // Whatever waits for the server then fails at once, however deep inside it is.
  const pull = (): void => void server.stop({ immediate: true });
  signal.addEventListener('abort', pull, { once: true });
  try {
    print(`PostgreSQL ${major} started in ${clock()}`);
    await seed(server, rows, signal);
    print(`public.orders filled with ${counted(rows, 'row')} in ${clock()}`);
    await show(options, server);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', pull);
  }
}

async function show(options: DemoOptions, server: EmbeddedServer): Promise<void> {
  const { library, look, print, rows, signal, writers } = options;
  const connection = { url: server.url(shop.database), environment: {} };
  const request = { table: shop.table, alter: [shop.change], statements: [], set: [], rewrite: false };
  const title = (text: string): void => print(`\n${look.paint('bold', text)}`);

  await using application = await ShopApplication.start({
    url: server.url(shop.database, shop.user, shop.password),
    writers,
    seededRows: rows,
  });
  print(`${counted(writers, 'writer')} at work: inserts, updates, deletes and reads, each write mirrored`);
  await sleep(beforeMs, undefined, { signal });

  title(`$ pg-ghost plan --table ${shop.table} --alter "${shop.change}"`);
  print(renderPlan(await library.plan({ connection, request, signal }), look, { say: commandLine }));

  title(`$ pg-ghost run --table ${shop.table} --alter "${shop.change}"`);
  const watch = new Stopwatch();
  const result = await shown(options, application, (reporter) =>
    library.migrate({
      connection,
      request,
      signal,
      cancelSignal: signal,
      onEvent: combineListeners([watch.listener, reporter.listener]),
    }),
  );
  await sleep(afterMs, undefined, { signal });
  await application.stop();
  await using session = await Session.open({ connection, signal });
  const proved = async (type: KeyType): Promise<void> => {
    const work = { seededRows: rows, counts: application.counts };
    const checks = [...(await prove(session, type, work)), proveNoErrors(application)];
    checks.forEach((check) => print(checkLine(check, look)));
    if (checks.every(({ passed }) => passed)) return;
    throw new FailedError('demo-not-proved', 'the demo could not prove that every write arrived', {
      details: { checks, errors: application.errors },
      state: 'the embedded server and its data are gone',
      hint: 'this is a bug in pg-ghost',
    });
  };

  title('Proof');
  await proved('bigint');
  title('Figures');
  watch.figures(application, result.holdMs).forEach(print);
  const { id } = result;
  if (id === null) return;

  title(`$ pg-ghost rollback ${id}`);
  await application.goOn();
  await sleep(aroundRollbackMs, undefined, { signal });
  await shown(options, application, ({ listener }) =>
    library.rollback({ connection, signal, cancelSignal: signal, onEvent: listener }, id),
  );
  await sleep(aroundRollbackMs, undefined, { signal });
  await application.stop();
  title('Proof, after the rollback');
  await proved('integer');

  const { dropped } = await library.finalize({ connection, signal }, id);
  print(
    `\n$ pg-ghost finalize ${id}\n${dropped.map(({ table, bytes: size }) => `${table} is dropped (${bytes(size)})`).join('\n')}`,
  );
}

/** What runs under load, with its progress. */
async function shown<Result>(
  { look, reporter: createReporter }: DemoOptions,
  application: ShopApplication,
  work: (reporter: Reporter) => Promise<Result>,
): Promise<Result> {
  const reporter = createReporter(() => [
    look.paint(
      'dim',
      `the application: ${count(application.writes)} writes, ${count(application.writesPerSecond)}/s, ${counted(application.errorCount, 'error')}`,
    ),
  ]);
  try {
    return await work(reporter);
  } finally {
    reporter.close();
  }
}

function proveNoErrors(application: ShopApplication): Check {
  const seen = application.errors.length === 0 ? '' : `: ${application.errors.join('; ')}`;
  return {
    passed: application.errorCount === 0,
    text: `the application saw ${counted(application.errorCount, 'error')} in ${counted(application.samples.length, 'query', 'queries')}${seen}`,
  };
}

function checkLine({ passed, text }: Check, { paint, symbols }: Look): string {
  return `  ${passed ? paint('green', symbols.done) : paint('red', 'FAILED')} ${text}`;
}

/** Time since the last call. */
function stopwatch(): () => string {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return duration(seconds);
  };
}
