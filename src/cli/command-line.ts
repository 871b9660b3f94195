/** What the library says to do, as what is to be typed: every call of the library as the command line has it. */
import { allSaid, said, type Action, type ActionName, type Text } from '../advice.js';
import type { EventListener, MigrationEvent } from '../model/event.js';
import type { CommonOptions } from '../run/run-options.js';
import type { Library } from './invocation.js';

/** `pg-ghost abort 3`. */
export function commandLine({ action, id }: Action): string {
  return ['pg-ghost', typed[action] ?? action, ...(id === null ? [] : [id])].join(' ');
}

const typed: Partial<Record<ActionName, string>> = {
  resume: 'run --resume',
  rehearse: 'cutover --rehearse',
};

export function commandText(text: Text): string {
  return said(text, commandLine);
}

export function inCommands<T>(value: T): T {
  return allSaid(value, commandLine);
}

/** Its events and its answers; what it throws is told in one place (failure.ts). */
export function inCommandLines(library: Library): Library {
  return {
    plan: saying(library.plan),
    migrate: saying(library.migrate),
    status: saying(library.status),
    leftovers: saying(library.leftovers),
    pause: saying(library.pause),
    unpause: saying(library.unpause),
    set: saying(library.set),
    cutover: saying(library.cutover),
    verify: saying(library.verify),
    abort: saying(library.abort),
    rollback: saying(library.rollback),
    rollforward: saying(library.rollforward),
    sync: saying(library.sync),
    finalize: saying(library.finalize),
  };
}

function saying<Options extends CommonOptions, More extends unknown[], Result>(
  call: (options: Options, ...more: More) => Promise<Result>,
): (options: Options, ...more: More) => Promise<Result> {
  return async (options, ...more) => inCommands(await call(heard(options), ...more));
}

function heard<Options extends CommonOptions>(options: Options): Options {
  const { onEvent } = options;
  return onEvent === undefined ? options : { ...options, onEvent: listening(onEvent) };
}

function listening(listener: EventListener): EventListener {
  return (event) => listener(withHint(inCommands(event)));
}

/** A warning is one sentence here. */
function withHint(event: MigrationEvent): MigrationEvent {
  if (event.event !== 'warning' || event.hint === undefined) return event;
  const { hint, message, ...rest } = event;
  return { ...rest, message: `${message}; ${commandText(hint)}` };
}
