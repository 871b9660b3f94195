/** Quoting and small SQL pieces. The one place where a name becomes SQL text. */
import type { QualifiedName } from '../model/name.js';
import pg from 'pg';

/** A query with its parameters; built by pure functions, run by `Session`. */
export interface SqlQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Prepared in the session under this name: for long texts that run often, whose planning costs more than their run. */
  readonly name?: string;
}

/** An identifier, always quoted: reserved words, capitals and emoji need no special case. */
export function ident(name: string): string {
  return pg.escapeIdentifier(name);
}

/** `"schema"."name"`. */
export function qualified(name: QualifiedName): string {
  return `${ident(name.schema)}.${ident(name.name)}`;
}

/** A string literal, for the statements (DDL) that take no parameters. */
export function literal(value: string): string {
  return pg.escapeLiteral(value);
}

/** Identifiers joined by commas. */
export function identList(names: readonly string[]): string {
  return names.map(ident).join(', ');
}

/** `schema.name` for people: quoted only where PostgreSQL would need it. */
export function displayName(name: QualifiedName): string {
  return `${displayIdent(name.schema)}.${displayIdent(name.name)}`;
}

/** The same for a name that `qualified` has written. */
export function displayQualified(text: string): string {
  return text.replaceAll(/"((?:[^"]|"")+)"/g, (_, name: string) => displayIdent(name.replaceAll('""', '"')));
}

export function displayIdent(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : ident(name);
}

/** Removes the common indentation, so that statements read well both here and in the server's log. */
export function sql(strings: TemplateStringsArray, ...parts: readonly (string | number)[]): string {
  const texts = dedented(strings);
  return texts.reduce((text, next, index) => `${text}${String(parts[index - 1])}${next}`).trimEnd();
}

/** The texts of a template without their common indentation, which is that of the first line. What stands between them is not touched. */
export function dedented(strings: readonly string[]): string[] {
  const [begin = '', ...rest] = strings;
  const first = begin.startsWith('\n') ? begin.slice(1) : begin;
  const indent = /^ */.exec(first)?.[0].length ?? 0;
  const inner = new RegExp(`\\n {0,${indent}}`, 'g');
  const texts = [first.slice(indent), ...rest].map((text) => text.replaceAll(inner, '\n'));
  return texts.with(-1, texts.at(-1)?.trimEnd() ?? '');
}
