/**
 * A run as Prometheus metrics (https://prometheus.io/docs/practices/naming/). What is not known yet is not there: no series
 * is better than a 0 that means nothing.
 *
 * A counter follows the run's own figure. Where that begins again (the copy restarts, a comparison is made again) the counter
 * does too, which is a reset that `rate()` and `increase()` understand.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventListener, EventMap, MigrationEvent } from '../model/event.js';
import { phases, phaseStoredBy, type Phase } from '../model/phase.js';

export interface Metrics {
  /** The text format of a scrape, as it is now. */
  text(): Promise<string>;
  readonly contentType: string;
}

export interface MetricsReporter extends Metrics {
  readonly listener: EventListener;
}

/** From one index block in the cache to the longest chunk that can be asked for. */
const chunkBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** A swap takes some milliseconds; from 500 ms on its default budget is used up. */
const holdBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const common = ['migration', 'table'] as const;

export function metricsReporter(): MetricsReporter {
  const figures = new Figures();
  return {
    listener: (event) => figures.take(event),
    text: () => figures.registry.metrics(),
    contentType: figures.registry.contentType,
  };
}

/** Of one migration: a process runs one. */
class Figures {
  readonly registry = new Registry();
  #labels = { migration: '', table: '' };
  /** What the apply that runs now has told last; each begins at 0. */
  #keysTold = 0;
  /** The relations of the try for locks that was told last. */
  #lastTry: { readonly name: string; readonly tables: Set<string> } | null = null;
  /** Every signal that has held up the work. */
  readonly #signals = new Set<string>();

  readonly #phase = this.#gauge('phase', 'The phase the migration is in: 1, all others 0.', ['phase']);
  readonly #blocksDone = this.#gauge('blocks_done', 'Blocks of the source that were copied.');
  readonly #blocksTotal = this.#gauge('blocks_total', 'Blocks of the source that are to be copied.');
  readonly #rowsCopied = this.#counter(
    'rows_copied_total',
    'Rows that were copied, by earlier runs too; from 0 when the copy restarts.',
  );
  readonly #backlog = this.#gauge('backlog_keys', 'Captured writes that are not applied yet; an estimate.');
  readonly #keysApplied = this.#counter('keys_applied_total', 'Captured writes that this run applied.');
  readonly #rowsVerified = this.#counter(
    'rows_verified_total',
    'Rows that were compared; from 0 when the comparison begins again.',
  );
  readonly #differences = this.#gauge(
    'differences',
    'Differences that the comparison of the tables has found.',
  );
  readonly #chunkSeconds = this.#histogram('chunk_seconds', 'How long one chunk took.', chunkBuckets);
  readonly #lockTries = this.#counter(
    'lock_tries_total',
    'Tries that took or waited for locks on the users’ tables.',
  );
  readonly #lockHold = this.#histogram(
    'lock_hold_seconds',
    'How long a lock on a user’s table was held.',
    holdBuckets,
  );
  readonly #throttled = this.#gauge('throttled', 'Whether this signal holds up the work: 1 or 0.', [
    'signal',
  ]);
  readonly #slotRetained = this.#gauge(
    'slot_retained_bytes',
    'WAL that the server keeps for the replication slot of the migration.',
  );
  readonly #slotUnread = this.#gauge(
    'slot_unread_bytes',
    'WAL that the run has not read from its replication slot yet.',
  );
  readonly #connectionLost = this.#counter(
    'connection_lost_total',
    'How often the run began to connect again: a lost connection, or a conflict with other sessions.',
  );
  readonly #finished = this.#gauge('finished', 'Whether the change is made: 1 or 0.');

  take(event: MigrationEvent): void {
    const labels = this.#labels;
    switch (event.event) {
      case 'migration:started':
        return this.#start(event);
      case 'phase:started':
        if (event.phase === 'verify') this.#forgetVerify();
        return this.#enter(event.phase);
      case 'copy:restarted':
        this.#blocksDone.set(labels, 0);
        setTo(this.#rowsCopied, labels, 0);
        this.#forgetVerify();
        return this.#enter(phaseStoredBy('copy start'));
      case 'copy:progress':
        this.#blocksDone.set(labels, event.blocksDone);
        this.#blocksTotal.set(labels, event.blocksTotal);
        setTo(this.#rowsCopied, labels, event.rowsCopied);
        return this.#chunkSeconds.observe(labels, event.chunkMs / 1000);
      case 'apply:progress':
        return this.#apply(event);
      case 'verify:progress':
        setTo(this.#rowsVerified, labels, event.rowsDone);
        return this.#differences.set(labels, event.differences);
      case 'verify:done':
        setTo(this.#rowsVerified, labels, event.rows);
        return this.#differences.set(labels, event.differences);
      case 'lock:taken':
        return this.#lock(event);
      case 'throttle':
        return this.#throttle(event.kind === 'go' ? [] : event.reasons.map(({ signal }) => signal));
      case 'slot:progress':
        return this.#slot(event);
      case 'run:retrying':
        this.#connectionLost.inc(labels);
        // Nothing runs that could be held up; the next attempt reads its signals anew.
        return this.#throttle([]);
      case 'cutover:done':
        this.#slotRetained.remove(labels);
        this.#slotUnread.remove(labels);
        // The rest of it was applied under the lock.
        return this.#backlog.set(labels, 0);
      case 'migration:done':
        return this.#finish(event);
      case 'plan:ready':
      case 'source:followed':
      case 'run:resumed':
      case 'run:asked':
      case 'phase:done':
      case 'purge:done':
      case 'index:started':
      case 'index:progress':
      case 'index:done':
      case 'cutover:try':
      case 'cutover:missed':
      case 'cutover:postponed':
      case 'cutover:rehearsed':
      case 'native:done':
      case 'lock:missed':
      case 'lock:blocker':
      case 'warning':
        return undefined;
      // Nothing to count in what is added later.
      default:
        return undefined;
    }
  }

  /** Also after the connection was lost: the same figures go on, but for those of what has begun again. */
  #start({ id, table, phase }: Extract<MigrationEvent, { event: 'migration:started' }>): void {
    const labels = { migration: String(id ?? ''), table };
    if (labels.migration !== this.#labels.migration || labels.table !== this.#labels.table) {
      this.registry.resetMetrics();
      this.#signals.clear();
      this.#labels = labels;
      // So that the first one is seen as an increase.
      for (const counter of [this.#keysApplied, this.#lockTries, this.#connectionLost])
        counter.inc(labels, 0);
    }
    this.#keysTold = 0;
    this.#lastTry = null;
    this.#throttle([]);
    this.#finished.set(labels, 0);
    this.#enter(phase);
  }

  #enter(current: Phase): void {
    for (const phase of phases) this.#phase.set({ ...this.#labels, phase }, phase === current ? 1 : 0);
  }

  #forgetVerify(): void {
    this.#rowsVerified.remove(this.#labels);
    this.#differences.remove(this.#labels);
  }

  #apply({ backlog, keysApplied, keysPerSecond, batchMs }: EventMap['apply:progress']): void {
    this.#backlog.set(this.#labels, backlog);
    // One that goes on has at least its last figure and this batch; less, and another one has begun.
    const ofThisBatch = Math.round(((keysPerSecond ?? 0) * batchMs) / 1000);
    const goesOn = keysApplied - ofThisBatch >= this.#keysTold;
    this.#keysApplied.inc(this.#labels, keysApplied - (goesOn ? this.#keysTold : 0));
    this.#keysTold = keysApplied;
  }

  /** One event is one relation; those of one try follow each other. */
  #lock({ what, attempt, table, heldMs, outcome }: EventMap['lock:taken']): void {
    const labels = this.#labels.table === '' ? { migration: '', table } : this.#labels;
    const name = `${attempt} ${what}`;
    if (this.#lastTry?.name !== name || this.#lastTry.tables.has(table)) {
      this.#lockTries.inc(labels);
      this.#lastTry = { name, tables: new Set() };
    }
    this.#lastTry.tables.add(table);
    if (outcome !== 'missed') this.#lockHold.observe(labels, heldMs / 1000);
  }

  #throttle(current: readonly string[]): void {
    for (const signal of current) this.#signals.add(signal);
    for (const signal of this.#signals)
      this.#throttled.set({ ...this.#labels, signal }, current.includes(signal) ? 1 : 0);
  }

  /** Once the slot is gone there is nothing to tell of it. */
  #slot({ retainedBytes, unreadBytes }: EventMap['slot:progress']): void {
    for (const [gauge, value] of [
      [this.#slotRetained, retainedBytes],
      [this.#slotUnread, unreadBytes],
    ] as const) {
      if (value === null) gauge.remove(this.#labels);
      else gauge.set(this.#labels, value);
    }
  }

  #finish({ id, table }: Extract<MigrationEvent, { event: 'migration:done' }>): void {
    this.#throttle([]);
    this.#finished.set({ migration: String(id ?? ''), table }, 1);
    // A native change has no phases.
    if (id !== null) this.#enter(phaseStoredBy('swap'));
  }

  #gauge<Label extends string = never>(
    name: string,
    help: string,
    more: readonly Label[] = [],
  ): Gauge<(typeof common)[number] | Label> {
    return new Gauge({ ...this.#named(name, help), labelNames: [...common, ...more] });
  }

  #counter(name: string, help: string): Counter<(typeof common)[number]> {
    return new Counter({ ...this.#named(name, help), labelNames: common });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram<(typeof common)[number]> {
    return new Histogram({ ...this.#named(name, help), labelNames: common, buckets });
  }

  /** In a registry of its own: the default one is the whole process's, which a library must leave alone. */
  #named(name: string, help: string): { name: string; help: string; registers: Registry[] } {
    return { name: `pg_ghost_${name}`, help, registers: [this.registry] };
  }
}

/** A counter that follows a figure which somebody else counts. */
function setTo(
  counter: Counter<(typeof common)[number]>,
  labels: Readonly<Record<(typeof common)[number], string>>,
  value: number,
): void {
  counter.remove(labels);
  counter.inc(labels, value);
}
