import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createEmitter } from '../../src/run/emitter.js';
import type { MigrationEvent } from '../../src/model/event.js';

const now = (): Date => new Date('2026-01-02T03:04:05.000Z');

test('adds the id and the time', () => {
  const seen: MigrationEvent[] = [];
  const emitter = createEmitter([(event) => seen.push(event)], { now });
  emitter.emit('warning', { code: 'w', message: 'before there is a migration' });
  emitter.withId(3)('purge:done', { rows: 5 });
  expect(seen).toEqual([
    { event: 'warning', id: null, at: now(), code: 'w', message: 'before there is a migration' },
    { event: 'purge:done', id: 3, at: now(), rows: 5 },
  ]);
});

test('a listener that throws or rejects reaches neither the work nor the other listeners', async () => {
  const errors: unknown[] = [];
  const seen: string[] = [];
  const { emit } = createEmitter(
    [
      () => {
        throw new Error('thrown');
      },
      async () => {
        await nextTurn();
        throw new Error('rejected');
      },
      undefined,
      ({ event }) => seen.push(event),
    ],
    { onListenerError: (error) => errors.push((error as Error).message) },
  );
  emit('purge:done', { rows: 1 });
  expect(seen).toEqual(['purge:done']);
  await nextTurn();
  await nextTurn();
  expect(errors).toEqual(['thrown', 'rejected']);
});

test('nor does one whose error handler throws', () => {
  const fail = (): never => {
    throw new Error('broken');
  };
  const { emit } = createEmitter([fail], { onListenerError: fail });
  expect(() => emit('purge:done', { rows: 1 })).not.toThrow();
});
