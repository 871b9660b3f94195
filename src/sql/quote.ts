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
  const lines = strings[0]?.startsWith('\n') ? strings[0].slice(1) : (strings[0] ?? '');
  const indent = /^ */.exec(lines)?.[0].length ?? 0;
  const dedent = (text: string): string =>
    indent === 0 ? text : text.replaceAll(new RegExp(`(^|\\n) {0,${indent}}`, 'g'), '$1');
  let text = dedent(lines);
  parts.forEach((part, index) => {
    const next = strings[index + 1] ?? '';
    text +=
      String(part) + (indent === 0 ? next : next.replaceAll(new RegExp(`\\n {0,${indent}}`, 'g'), '\n'));
  });
  return text.trimEnd();
}
