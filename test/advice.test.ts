/** What to do next: as words, as what is to be typed, and through the state and back. */
import { expect, test } from 'vitest';
import { advice, allSaid, doing, inWords, joined, named, said, toDo, type Text } from '../src/advice.js';
import { commandLine } from '../src/cli/command-line.js';
import { FailedError, RefusedError } from '../src/errors.js';

const sentences: readonly [Text, words: string, typed: string][] = [
  [
    advice`${toDo('abort', 3)}, then run again`,
    'abort migration 3, then run again',
    'pg-ghost abort 3, then run again',
  ],
  [advice`${doing('abort', 3)} undoes it`, 'aborting migration 3 undoes it', 'pg-ghost abort 3 undoes it'],
  [
    advice`${doing('resume', 3)} continues it`,
    'resuming migration 3 continues it',
    'pg-ghost run --resume 3 continues it',
  ],
  [toDoAlone('status'), 'look at the status of migration 3', 'pg-ghost status 3'],
  [advice`${doing('status', 3)} says it`, 'the status of migration 3 says it', 'pg-ghost status 3 says it'],
  [advice`until ${named('cutover')}`, 'until cutover', 'until pg-ghost cutover'],
  [advice`${named('rehearse')}: no`, 'rehearse: no', 'pg-ghost cutover --rehearse: no'],
  [advice`${toDo('finalize', 'ID')}`, 'finalize migration ID', 'pg-ghost finalize ID'],
  [
    advice`of ${2} tables: ${advice`${toDo('verify', 3)}`}`,
    'of 2 tables: verify migration 3',
    'of 2 tables: pg-ghost verify 3',
  ],
];

function toDoAlone(action: 'status'): Text {
  return advice`${toDo(action, 3)}`;
}

test.each(sentences)('%j', (text, words, typed) => {
  expect([inWords(text), said(text, commandLine)]).toEqual([words, typed]);
  // As the state keeps it.
  expect(said(JSON.parse(JSON.stringify(text)) as Text, commandLine)).toBe(typed);
});

test('without an action it is just a string', () => {
  expect([advice`${1} of ${'two'}`, joined(['a', 'b'], '; ')]).toEqual(['1 of two', 'a; b']);
});

test('whatever holds texts is said, and nothing else is touched', () => {
  const at = new Date();
  const value = { at, id: null, list: [{ hint: advice`${toDo('abort', 3)}` }, 1n, 'text'], said: undefined };
  expect(allSaid(value, commandLine)).toEqual({
    at,
    id: null,
    list: [{ hint: 'pg-ghost abort 3' }, 1n, 'text'],
  });
});

test('an error says it in words, and has it as data', () => {
  const error = new FailedError('code', 'message', { hint: advice`${toDo('abort', 3)}`, state: 'kept' });
  expect([error.hint, error.state]).toEqual(['abort migration 3', 'kept']);
  expect(error.told.hint).toEqual({ say: ['', toDo('abort', 3), ''] });
  expect(JSON.stringify(error)).not.toContain('"say"');
});

test('a refusal has the hint of each of its reasons, once', () => {
  const reason = (code: string, id: number) => ({ code, message: code, hint: advice`${toDo('abort', id)}` });
  const error = new RefusedError([reason('a', 3), reason('b', 3), reason('c', 4)]);
  expect(error.hint).toBe('abort migration 3\nabort migration 4');
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({
    reasons: [{ hint: 'abort migration 3' }, { hint: 'abort migration 3' }, { hint: 'abort migration 4' }],
  });
});
