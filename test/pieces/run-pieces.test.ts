/** The machine without a server: workers are names, pieces are numbers, and each piece ends when the test says so. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Crew } from '../../src/pieces/crew.js';
import {
  runPieces,
  type FailedPiece,
  type FinishedPiece,
  type Pace,
  type PieceDone,
  type PieceWork,
} from '../../src/pieces/run-pieces.js';

/** With a timer that the fake clock knows. */
vi.mock('../../src/db/wait.js', async (original) => ({
  ...(await original<typeof import('../../src/db/wait.js')>()),
  sleep: (ms: number, signal?: AbortSignal) =>
    Promise.race([new Promise<void>((resolve) => setTimeout(resolve, ms)), untilAborted(signal)]),
}));

type Done = PieceDone<'rows'>;
type Finished = FinishedPiece<number, Done, 'rows'>;

interface UnderWay {
  readonly worker: string;
  readonly piece: number;
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/** Ten rows each; `pieces` of them. */
class Work implements PieceWork<string, number, Done, 'rows'> {
  pace: Pace | null = null;
  readonly stop = new AbortController();
  readonly signal = this.stop.signal;
  readonly taken: number[] = [];
  readonly sizes: number[] = [];
  readonly finishedPieces: Finished[] = [];
  readonly underWay: UnderWay[] = [];
  readonly slept: number[] = [];
  allowed: ((signal: AbortSignal | undefined) => Promise<void>) | null = null;
  lookInto?: (failed: FailedPiece<string, number>) => Promise<void>;

  constructor(private readonly pieces: number) {}

  hasMore(): boolean {
    return this.taken.length < this.pieces;
  }

  take(_: string, { size }: { readonly size: number }): number {
    this.sizes.push(size);
    this.taken.push(this.taken.length + 1);
    return this.taken.length;
  }

  async work(worker: string, piece: number): Promise<Done> {
    await new Promise<void>((succeed, fail) => this.underWay.push({ worker, piece, succeed, fail }));
    return { size: this.sizes.at(-1) ?? 1, amounts: { rows: 10 } };
  }

  finished(piece: Finished): void {
    this.finishedPieces.push(piece);
  }

  async permission(signal: AbortSignal | undefined): Promise<void> {
    await this.allowed?.(signal);
  }

  async afterPiece(ms: number): Promise<void> {
    this.slept.push(ms);
  }

  /** Of that worker, the piece that it is at. */
  at(worker: string): UnderWay {
    const at = this.underWay.findIndex((each) => each.worker === worker);
    const [found] = at === -1 ? [] : this.underWay.splice(at, 1);
    if (found === undefined) throw new Error(`${worker} is at no piece`);
    return found;
  }

  get busy(): string[] {
    return this.underWay.map(({ worker }) => worker).toSorted();
  }
}

class Names implements Crew<string> {
  readonly here = new Set<string>();
  #count = 0;
  #resize = new AbortController();

  constructor(private size: number) {}

  wanted = (): number => this.size;
  resized = (): AbortSignal => this.#resize.signal;

  resize(size: number): void {
    this.size = size;
    const before = this.#resize;
    this.#resize = new AbortController();
    before.abort();
  }

  join = async (): Promise<string> => {
    const name = String.fromCodePoint(97 + this.#count);
    this.#count += 1;
    this.here.add(name);
    return name;
  };

  leave = async (name: string): Promise<void> => {
    this.here.delete(name);
  };

  get names(): string[] {
    return [...this.here].toSorted();
  }
}

/** Lets everybody go as far as they can. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

async function start(
  work: Work,
  crew: Crew<string>,
): Promise<{ readonly ended: Promise<'done' | { readonly error: unknown }> }> {
  const ended = runPieces(work, crew).then(
    () => 'done' as const,
    (error: unknown) => ({ error }),
  );
  await settle();
  return { ended };
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

const deadlock = Object.assign(new Error('deadlock'), { severity: 'ERROR', code: '40P01' });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('each piece once, and everybody leaves when nothing is left', async () => {
  const work = new Work(5);
  const crew = new Names(2);
  const { ended } = await start(work, crew);
  for (const worker of ['a', 'a', 'b', 'a', 'b']) {
    work.at(worker).succeed();
    await settle();
  }
  expect(await ended).toBe('done');
  expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([1, 3, 2, 4, 5]);
  expect(work.finishedPieces.every(({ workers }) => workers === 2)).toBe(true);
  expect(crew.names).toEqual([]);
});

test('nobody comes where there is nothing to do', async () => {
  const crew = new Names(3);
  const join = vi.spyOn(crew, 'join');
  expect(await (await start(new Work(0), crew)).ended).toBe('done');
  expect(join).not.toHaveBeenCalled();
});

describe('the first failure', () => {
  test('stops the others after their piece, and is what is thrown', async () => {
    const work = new Work(10);
    const crew = new Names(3);
    const { ended } = await start(work, crew);
    const first = new Error('first');
    work.at('b').fail(first);
    await settle();
    expect(crew.names).toEqual(['a', 'c']);
    work.at('a').fail(new Error('a consequence'));
    work.at('c').succeed();
    expect(await ended).toEqual({ error: first });
    expect(work.taken).toEqual([1, 2, 3]);
    expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([3]);
    expect(crew.names).toEqual([]);
  });

  test('may be that of a worker who cannot come', async () => {
    const work = new Work(10);
    const crew = new Names(1);
    const { ended } = await start(work, crew);
    const full = new Error('too many connections');
    vi.spyOn(crew, 'join').mockRejectedValue(full);
    crew.resize(2);
    await settle();
    expect(work.busy).toEqual(['a']);
    work.at('a').succeed();
    expect(await ended).toEqual({ error: full });
    expect(work.finishedPieces.length).toBe(1);
    expect(crew.names).toEqual([]);
  });

  test('may be that of a callback', async () => {
    const work = new Work(2);
    vi.spyOn(work, 'finished').mockRejectedValue(new Error('killed at a point') as never);
    const looked = vi.fn<NonNullable<Work['lookInto']>>();
    work.lookInto = looked;
    const { ended } = await start(work, new Names(1));
    work.at('a').succeed();
    expect(await ended).toMatchObject({ error: { message: 'killed at a point' } });
    // The piece is done: nobody may do it again.
    expect(looked).not.toHaveBeenCalled();
    expect(work.taken).toEqual([1]);
  });
});

describe('permission', () => {
  test('is waited for before a piece is taken', async () => {
    const work = new Work(1);
    let allow = (): void => {};
    work.allowed = () => new Promise((resolve) => (allow = resolve));
    const { ended } = await start(work, new Names(1));
    expect(work.taken).toEqual([]);
    allow();
    await settle();
    work.at('a').succeed();
    expect(await ended).toBe('done');
  });

  test('that is denied ends the work', async () => {
    const work = new Work(9);
    const denied = new Error('the disk is full');
    work.allowed = () => (work.taken.length < 2 ? Promise.resolve() : Promise.reject(denied));
    const { ended } = await start(work, new Names(2));
    work.at('a').succeed();
    await settle();
    work.at('b').succeed();
    expect(await ended).toEqual({ error: denied });
    expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([1, 2]);
  });

  test('nobody waits for it when nothing is left', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(2));
    work.allowed = untilAborted;
    work.at('a').succeed();
    expect(await ended).toBe('done');
  });
});

describe('a stop', () => {
  test('lets the pieces come to their end, and is the reason', async () => {
    const work = new Work(9);
    const crew = new Names(2);
    const { ended } = await start(work, crew);
    const reason = new Error('stop');
    work.stop.abort(reason);
    work.at('a').succeed();
    work.at('b').succeed();
    expect(await ended).toEqual({ error: reason });
    expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([1, 2]);
    expect(work.slept).toEqual([]);
    expect(crew.names).toEqual([]);
  });

  test('ends a wait for permission', async () => {
    const work = new Work(9);
    work.allowed = untilAborted;
    const { ended } = await start(work, new Names(2));
    work.stop.abort(new Error('stop'));
    expect(await ended).toMatchObject({ error: { message: 'stop' } });
    expect(work.taken).toEqual([]);
  });

  test('that comes with the last piece changes nothing', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(1));
    work.stop.abort(new Error('stop'));
    work.at('a').succeed();
    expect(await ended).toBe('done');
  });
});

describe('resized', () => {
  test('new workers come at once, while the others are at their pieces', async () => {
    const work = new Work(6);
    const crew = new Names(1);
    const { ended } = await start(work, crew);
    crew.resize(3);
    await settle();
    expect(work.busy).toEqual(['a', 'b', 'c']);
    for (const worker of ['a', 'b', 'c', 'a', 'b', 'c']) {
      work.at(worker).succeed();
      await settle();
    }
    expect(await ended).toBe('done');
    expect(work.finishedPieces.map(({ workers }) => workers)).toEqual([3, 3, 3, 3, 3, 3]);
  });

  test('who is done first goes, and the rest goes on', async () => {
    const work = new Work(5);
    const crew = new Names(3);
    const { ended } = await start(work, crew);
    crew.resize(1);
    await settle();
    expect(crew.names).toEqual(['a', 'b', 'c']);
    work.at('b').succeed();
    work.at('c').succeed();
    await settle();
    expect(crew.names).toEqual(['a']);
    for (let left = 3; left > 0; left -= 1) {
      work.at('a').succeed();
      await settle();
    }
    expect(await ended).toBe('done');
    expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([2, 3, 1, 4, 5]);
    expect(work.finishedPieces.at(-1)?.workers).toBe(1);
  });

  test('and back again before anybody has gone: nobody goes, nobody comes', async () => {
    const work = new Work(4);
    const crew = new Names(2);
    const { ended } = await start(work, crew);
    crew.resize(1);
    crew.resize(2);
    for (const worker of ['a', 'b', 'a', 'b']) {
      work.at(worker).succeed();
      await settle();
    }
    expect(await ended).toBe('done');
    expect(work.finishedPieces.map(({ piece }) => piece)).toEqual([1, 2, 3, 4]);
  });

  test('while it is paused: some go, others come, and nothing is taken', async () => {
    const work = new Work(9);
    const crew = new Names(2);
    let allow = (): void => {};
    const go = new Promise<void>((resolve) => (allow = resolve));
    work.allowed = (signal) => Promise.race([go, untilAborted(signal)]);
    const { ended } = await start(work, crew);
    crew.resize(1);
    await settle();
    expect(crew.names.length).toBe(1);
    crew.resize(3);
    await settle();
    expect(crew.names.length).toBe(3);
    expect(work.taken).toEqual([]);
    allow();
    await settle();
    expect(work.busy.length).toBe(3);
    work.stop.abort(new Error('enough'));
    for (const worker of work.busy) work.at(worker).succeed();
    expect(await ended).toMatchObject({ error: { message: 'enough' } });
  });

  test('none at all is one', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(0));
    work.at('a').succeed();
    expect(await ended).toBe('done');
  });
});

describe('what passes by itself', () => {
  test('is tried again, the whole piece, by the same worker', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(1));
    work.at('a').fail(deadlock);
    await vi.advanceTimersByTimeAsync(100);
    work.at('a').fail(deadlock);
    await vi.advanceTimersByTimeAsync(100);
    work.at('a').succeed();
    expect(await ended).toBe('done');
    expect(work.taken).toEqual([1]);
  });

  test('until a deadline that begins with the first failure', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(1));
    // However long a piece has taken before.
    await vi.advanceTimersByTimeAsync(600_000);
    work.at('a').fail(deadlock);
    await vi.advanceTimersByTimeAsync(100);
    work.at('a').fail(deadlock);
    await vi.advanceTimersByTimeAsync(60_000);
    work.at('a').fail(deadlock);
    expect(await ended).toEqual({ error: deadlock });
  });

  test('does not hold up a stop', async () => {
    const work = new Work(1);
    const { ended } = await start(work, new Names(1));
    work.at('a').fail(deadlock);
    await settle();
    work.stop.abort(new Error('stop'));
    // Nothing was left to take, but this piece is not done.
    expect(await ended).toMatchObject({ error: { message: 'stop' } });
  });
});

describe('a piece that fails by what is in it', () => {
  test('is looked into, and tried again as long as that says so', async () => {
    const work = new Work(1);
    const tries: number[] = [];
    const told = new Error('id=7 does not fit');
    work.lookInto = async (failed) => {
      tries.push(failed.tries);
      if (failed.tries === 3) throw told;
    };
    const { ended } = await start(work, new Names(1));
    for (let left = 3; left > 0; left -= 1) {
      work.at('a').fail(new Error('a row'));
      await settle();
    }
    expect(await ended).toEqual({ error: told });
    expect(tries).toEqual([1, 2, 3]);
  });
});

describe('pace and rates', () => {
  async function pieces(work: Work, durations: readonly number[]): Promise<void> {
    for (const duration of durations) {
      await vi.advanceTimersByTimeAsync(duration);
      work.at('a').succeed();
      await settle();
    }
  }

  test('the size follows from how long pieces take, and from how long they are to take now', async () => {
    const work = new Work(5);
    let targetMs = 100;
    work.pace = { first: 10, min: 1, max: 1000, targetMs: () => targetMs };
    const { ended } = await start(work, new Names(1));
    await pieces(work, [50, 150]);
    targetMs = 1_000;
    await pieces(work, [100, 100, 100]);
    expect(await ended).toBe('done');
    expect(work.sizes).toEqual([10, 15, 10, 15, 23]);
    expect(work.slept).toEqual([50, 150, 100, 100]);
  });

  test('rates are those of all workers together, when there is a second to measure', async () => {
    const work = new Work(4);
    const { ended } = await start(work, new Names(2));
    for (const worker of ['a', 'b', 'a', 'b']) {
      await vi.advanceTimersByTimeAsync(500);
      work.at(worker).succeed();
      await settle();
    }
    expect(await ended).toBe('done');
    expect(work.finishedPieces.map(({ perSecond }) => perSecond?.rows ?? null)).toEqual([null, 20, 20, 20]);
    expect(work.finishedPieces.map(({ durationMs }) => durationMs)).toEqual([500, 1000, 1000, 1000]);
  });
});
