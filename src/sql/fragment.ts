/**
 * SQL that carries the values of its parameters with it. Fragments are put together as they come; parameters get their numbers
 * when the whole is made a query, so that no part has to know what stands before it. Pure.
 */
import { dedented, type SqlQuery } from './quote.js';

class Parameter {
  constructor(readonly value: unknown) {}
}

export class SqlFragment {
  constructor(readonly parts: readonly (string | Parameter)[]) {}
}

/** Text is SQL as it is. */
export type SqlPart = string | SqlFragment;

/** A parameter. Wherever in a query this very fragment stands, it is the same parameter, and its value is sent once. */
export function param(value: unknown): SqlFragment {
  return new SqlFragment([new Parameter(value)]);
}

/** As `sql`, of parts that may have parameters. */
export function fragment(
  strings: TemplateStringsArray,
  ...parts: readonly (SqlPart | number)[]
): SqlFragment {
  const texts = dedented(strings);
  return new SqlFragment(
    texts.flatMap((text, index) => {
      const part = index === 0 ? undefined : parts[index - 1];
      if (part === undefined) return [text];
      return part instanceof SqlFragment ? [...part.parts, text] : [String(part), text];
    }),
  );
}

export function joined(parts: readonly SqlPart[], separator: string): SqlFragment {
  return new SqlFragment(
    parts.flatMap((part, index) => [
      ...(index === 0 ? [] : [separator]),
      ...(part instanceof SqlFragment ? part.parts : [part]),
    ]),
  );
}

export function toQuery(whole: SqlFragment): SqlQuery {
  const parameters: Parameter[] = [];
  const numberOf = (parameter: Parameter): string => {
    const known = parameters.indexOf(parameter);
    return `$${known === -1 ? parameters.push(parameter) : known + 1}`;
  };
  const text = whole.parts.map((part) => (part instanceof Parameter ? numberOf(part) : part)).join('');
  return parameters.length === 0 ? { text } : { text, values: parameters.map(({ value }) => value) };
}

/** Of a statement that takes no parameters: DDL, PREPARE, and what goes with others in one message. */
export function toText(whole: SqlFragment): string {
  const { text, values = [] } = toQuery(whole);
  if (values.length > 0) throw new Error('a statement without parameters was given some');
  return text;
}
