/**
 * What to do next, in texts that more than one face tells: the library says it in words, the command line as what is to be
 * typed. Plain data, so that the state keeps it as it is, and whoever shows it says it in a way of its own. Pure.
 */
export type ActionName =
  | 'run'
  | 'resume'
  | 'status'
  | 'pause'
  | 'unpause'
  | 'set'
  | 'cutover'
  | 'rehearse'
  | 'verify'
  | 'abort'
  | 'rollback'
  | 'rollforward'
  | 'sync'
  | 'finalize';

export interface Action {
  readonly action: ActionName;
  /** The migration; `ID` where it has no number yet, null where the action is only named. */
  readonly id: number | 'ID' | null;
  /** How it stands in its sentence: "abort migration 3, then ...", "aborting migration 3 removes it", "postponed until cutover". */
  readonly as: 'order' | 'subject' | 'name';
}

interface Advice {
  readonly say: readonly (string | Action)[];
}

/** One without any action is just a string. */
export type Text = string | Advice;

/** "abort migration 3". */
export function toDo(action: ActionName, id: number | 'ID'): Action {
  return { action, id, as: 'order' };
}

/** "aborting migration 3". */
export function doing(action: ActionName, id: number | 'ID'): Action {
  return { action, id, as: 'subject' };
}

/** "abort". */
export function named(action: ActionName): Action {
  return { action, id: null, as: 'name' };
}

/** Tag of a text with actions in it. */
export function advice(texts: TemplateStringsArray, ...values: readonly (Text | number | Action)[]): Text {
  return put(
    texts.flatMap((text, at) => {
      const value = values[at];
      return value === undefined ? [text] : [text, ...partsOf(value)];
    }),
  );
}

export function joined(texts: readonly Text[], separator: string): Text {
  return put(texts.flatMap((text, at) => (at === 0 ? partsOf(text) : [separator, ...partsOf(text)])));
}

function partsOf(value: Text | number | Action): readonly (string | Action)[] {
  if (typeof value === 'object') return 'say' in value ? value.say : [value];
  return [String(value)];
}

function put(parts: readonly (string | Action)[]): Text {
  return parts.every((part) => typeof part === 'string') ? parts.join('') : { say: parts };
}

export type SayAction = (action: Action) => string;

/** As the library says it. */
export function inWords(text: Text): string {
  return said(text, words);
}

export function said(text: Text, say: SayAction): string {
  if (typeof text === 'string') return text;
  return text.say.map((part) => (typeof part === 'string' ? part : say(part))).join('');
}

/** Every text in it as a string, said in one way; the rest is what it was. */
export function allSaid<T>(value: T, say: SayAction): T {
  return saidDeep(value, say) as T;
}

function saidDeep(value: unknown, say: SayAction): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => saidDeep(item, say));
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  if (isAdvice(value)) return said(value, say);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, saidDeep(item, say)]));
}

function isAdvice(value: object): value is Advice {
  return 'say' in value && Array.isArray(value.say);
}

const gerunds: Readonly<Record<ActionName, string>> = {
  run: 'running',
  resume: 'resuming',
  status: 'the status of',
  pause: 'pausing',
  unpause: 'unpausing',
  set: 'setting',
  cutover: 'swapping',
  rehearse: 'rehearsing',
  verify: 'verifying',
  abort: 'aborting',
  rollback: 'rolling back',
  rollforward: 'rolling forward',
  sync: 'syncing',
  finalize: 'finalizing',
};

export const actionNames = Object.keys(gerunds) as ActionName[];

export function words({ action, id, as }: Action): string {
  if (id === null) return action;
  const verb = as === 'subject' ? gerunds[action] : action === 'status' ? 'look at the status of' : action;
  return `${verb} migration ${id}`;
}
