/** Delivers events to listeners. The work must not notice them: whatever a listener does, `emit` returns. */
import type { Emit, EventListener, EventMap, EventName, MigrationEvent } from '../model/event.js';

export interface EmitterOptions {
  /** Told what a listener threw or rejected with; what this one throws is dropped. */
  readonly onListenerError?: (error: unknown) => void;
  readonly now?: () => Date;
}

export interface Emitter {
  /** For what happens before there is a migration, and for native changes: `id` is null. */
  readonly emit: Emit;
  /** The same listeners, for the events of one migration. */
  withId(id: number): Emit;
}

/**
 * `undefined` among the listeners is left out, so that an optional `onEvent` can be handed on as it is. Each event is
 * delivered at once, in the order of the listeners.
 */
export function createEmitter(
  listeners: readonly (EventListener | undefined)[],
  { onListenerError = () => {}, now = () => new Date() }: EmitterOptions = {},
): Emitter {
  const listener = combineListeners(listeners, onListenerError);
  const emitFor =
    (id: number | null): Emit =>
    <Name extends EventName>(event: Name, payload: EventMap[Name]): void =>
      listener({ event, id, at: now(), ...payload } as unknown as MigrationEvent);
  return { emit: emitFor(null), withId: emitFor };
}

/** One listener that tells all of them, each on its own: what one throws does not reach the next, nor the caller. */
export function combineListeners(
  listeners: readonly (EventListener | undefined)[],
  onListenerError: (error: unknown) => void = () => {},
): EventListener {
  const told = listeners.filter((listener) => listener !== undefined);
  return (event) => {
    for (const listener of told) deliver(listener, event, onListenerError);
  };
}

function deliver(listener: EventListener, event: MigrationEvent, onError: (error: unknown) => void): void {
  const report = (error: unknown): void => {
    try {
      onError(error);
    } catch {
      // There is nobody left to tell.
    }
  };
  try {
    // An async function is a valid listener for the compiler, and its rejection would end the process.
    const result: unknown = listener(event);
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}
