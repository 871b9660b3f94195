/** What a run answers to its commands, and what of them holds for the rest of it. */
import { inWords } from '../../src/advice.js';
import { expect, test } from 'vitest';
import { Steering } from '../../src/run/steering.js';
import { defaultRunSettings } from '../../src/settings/table.js';
import type { Answer, Command } from '../../src/state/stored-json.js';
import type { Limits } from '../../src/throttle/limits.js';
import type { Throttle } from '../../src/throttle/throttle.js';

const begun = { ...defaultRunSettings, workers: 2, chunkTimeMs: 500, limits: { maxLagMs: 1000 } };

let lastId = 0;
function command(name: string, args: Command['arguments'] = {}): Command {
  return { id: (lastId += 1), name: name as Command['name'], arguments: args };
}

const ask = (steering: Steering, name: string, args?: Command['arguments']): Answer | null =>
  steering.answerTo(command(name, args));

/** As much of a throttle as a run's commands use. */
class Brake {
  paused: string | null = null;
  limits: Partial<Limits> | null = null;
  heldUpBy: string | null = null;

  pause(reason: string): void {
    this.paused = reason;
  }

  unpause(): void {
    this.paused = null;
  }

  update(limits: Partial<Limits>): void {
    this.limits = limits;
  }

  get current(): unknown {
    const texts = [this.paused, this.heldUpBy].filter((text) => text !== null);
    return texts.length === 0
      ? { kind: 'go', share: 1 }
      : { kind: 'pause', reasons: texts.map((text) => ({ text })) };
  }

  get asThrottle(): Throttle {
    return this as unknown as Throttle;
  }
}

test('a pause is of the run: it holds for the next connection, until it is taken back', () => {
  const steering = new Steering(begun);
  const first = new Brake();
  steering.throttle = first.asThrottle;
  expect(ask(steering, 'pause')).toMatchObject({ ok: true });
  expect(first.paused).toBe('paused by request');
  // The connection is lost, and there is another.
  steering.throttle = null;
  expect(ask(steering, 'pause', { by: 'pg-ghost pause' })).toMatchObject({ ok: true });
  const second = new Brake();
  steering.throttle = second.asThrottle;
  expect(second.paused).toBe('paused by pg-ghost pause');

  expect(ask(steering, 'unpause')).toEqual({ ok: true, said: 'goes on' });
  expect(second.paused).toBeNull();
  const third = new Brake();
  steering.throttle = third.asThrottle;
  expect(third.paused).toBeNull();
  third.heldUpBy = 'replica lag 12 s';
  expect(ask(steering, 'unpause')?.said).toBe('no longer paused, but held up: replica lag 12 s');
});

test('a try for the swap is not interrupted: a pause has its answer when that is over, and there is one', () => {
  const steering = new Steering(begun);
  const brake = new Brake();
  steering.throttle = brake.asThrottle;
  let hurried = 0;
  steering.hurry = () => (hurried += 1);
  const pause = command('pause');
  steering.swap = 'tried';
  expect(steering.answerTo(pause)).toBeNull();
  expect(brake.paused).toBeNull();
  expect(hurried).toBe(0);
  // Missed.
  steering.swap = 'ahead';
  expect(hurried).toBe(1);
  expect(steering.answerTo(pause)).toMatchObject({ ok: true });
  ask(steering, 'unpause');
  // Through.
  steering.swap = 'tried';
  expect(steering.answerTo(pause)).toBeNull();
  steering.swap = 'done';
  expect(hurried).toBe(2);
  for (const name of ['pause', 'cutover'])
    expect(ask(steering, name)).toEqual({ ok: false, said: 'the tables are swapped already' });
  expect(brake.paused).toBeNull();
  // Without a try nobody waits for an answer.
  steering.swap = 'done';
  expect(hurried).toBe(2);
});

test('each wish for the swap counts, and is told what will come of it', () => {
  const steering = new Steering(begun);
  const said = (): string => inWords(ask(steering, 'cutover')?.said ?? '');
  expect(steering.cutoverWasAskedFor).toBe(false);
  expect(said()).toBe('the swap will be tried as soon as the new table is ready, and not be postponed');
  expect(steering.cutoverWasAskedFor).toBe(true);
  steering.isWaiting = true;
  expect(said()).toBe('the swap is being tried now');
  ask(steering, 'pause');
  expect(said()).toContain('it is paused: the swap will be tried after unpause');
  ask(steering, 'unpause');
  steering.isWaiting = false;
  steering.swap = 'tried';
  expect(said()).toBe('the swap is being tried now');
  expect(steering.cutoverWishes).toBe(4);
});

test('a rehearsal is answered by whoever takes it, once, and only while the swap is postponed', () => {
  const steering = new Steering(begun);
  let hurried = 0;
  steering.hurry = () => (hurried += 1);
  expect(ask(steering, 'rehearse')).toMatchObject({
    ok: false,
    said: expect.stringContaining('not ready') as string,
  });
  expect(steering.takeRehearsal()).toBeNull();

  steering.isWaiting = true;
  const [one, two, three] = [command('rehearse'), command('rehearse'), command('rehearse')];
  for (const each of [one, two, three]) expect(steering.answerTo(each)).toBeNull();
  // At each beat it is asked again, and is not rehearsed twice for that.
  expect(steering.answerTo(one)).toBeNull();
  const answer = steering.takeRehearsal();
  expect(steering.answerTo(one)).toBeNull();
  answer?.({ ok: true, said: 'rehearsed' });
  expect(hurried).toBe(1);
  expect(steering.answerTo(two)).toBeNull();
  expect(steering.answerTo(one)).toEqual({ ok: true, said: 'rehearsed' });

  // Nobody takes them any more.
  steering.takeRehearsal()?.({ ok: false, said: 'the swap would fail' });
  steering.isWaiting = false;
  expect(steering.answerTo(two)).toEqual({ ok: false, said: 'the swap would fail' });
  expect(steering.answerTo(three)).toMatchObject({
    ok: false,
    said: expect.stringContaining('not postponed any more') as string,
  });
  expect(hurried).toBe(3);
  expect(steering.takeRehearsal()).toBeNull();
});

test('at the end only what is known is told: nothing is begun any more', () => {
  const steering = new Steering(begun);
  const brake = new Brake();
  steering.throttle = brake.asThrottle;
  steering.isWaiting = true;
  const rehearse = command('rehearse');
  expect(steering.answerTo(rehearse)).toBeNull();
  expect(steering.answerTo(rehearse, { isLast: true })).toBeNull();
  steering.takeRehearsal()?.({ ok: true, said: 'rehearsed' });
  expect(steering.answerTo(rehearse, { isLast: true })).toEqual({ ok: true, said: 'rehearsed' });
  expect(steering.answerTo(command('pause'), { isLast: true })).toBeNull();
  expect(steering.answerTo(command('cutover'), { isLast: true })).toBeNull();
  expect([brake.paused, steering.cutoverWishes]).toEqual([null, 0]);
});

test('what is set counts from then on, for the throttle too, and shows under its own name', () => {
  const steering = new Steering(begun);
  const brake = new Brake();
  steering.throttle = brake.asThrottle;
  const { resized } = steering;
  expect(ask(steering, 'set', { 'max-lag': 'off', 'max-active': '30', 'lock-timeout': '20' })).toEqual({
    ok: true,
    said: 'max-lag is off now, max-active is 30 now, lock-timeout is 20 now',
  });
  expect(steering.settings).toEqual({
    ...begun,
    lockTimeoutMs: 20,
    limits: { maxLagMs: null, maxActive: 30 },
  });
  expect(brake.limits).toEqual(steering.settings.limits);
  expect(steering.current).toMatchObject({
    'max-lag': null,
    'max-active': 30,
    'lock-timeout': 20,
    workers: 2,
  });
  // Whoever works in pieces asks for the size before each of them, and is told of another number of workers.
  expect(ask(steering, 'set', { 'chunk-time': '50' })).toMatchObject({ ok: true });
  expect(steering.settings.chunkTimeMs).toBe(50);
  expect(resized.aborted).toBe(false);

  let next: AbortSignal | null = null;
  resized.addEventListener('abort', () => (next = steering.resized));
  expect(ask(steering, 'set', { workers: '7' })).toMatchObject({ ok: true });
  expect(steering.settings.workers).toBe(7);
  expect(resized.aborted).toBe(true);
  // The one to listen to from then on is there when the old one is done with.
  expect(next).toBe(steering.resized);
  expect(steering.resized.aborted).toBe(false);
});

test('of several settings all count or none; a command that nobody knows is said to be unknown', () => {
  const steering = new Steering(begun);
  const { resized } = steering;
  expect(ask(steering, 'set', { workers: '7', 'chunk-time': 'soon' })).toMatchObject({
    ok: false,
    said: expect.stringContaining('chunk-time=soon: it takes') as string,
  });
  expect(ask(steering, 'set', { workers: '7', verify: 'off' })).toMatchObject({
    ok: false,
    said: 'verify cannot be set while a migration runs',
  });
  expect(steering.settings).toEqual(begun);
  expect(resized.aborted).toBe(false);
  expect(ask(steering, 'dance')).toEqual({ ok: false, said: 'this run does not know the command "dance"' });
});
