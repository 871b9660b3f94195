/**
 * Constants that stand for an object of the catalog, as PostgreSQL writes them under an empty `search_path`:
 * `'app.orders'::regclass`, `'app.orders[]'::regtype`, `'{app.orders,app.lines}'::regclass[]`. They are stored as OIDs, so
 * what they mean is the object, and not the name, from the moment on in which they are read.
 */
import { parseName } from './parse.js';
import { qualified } from './quote.js';
import type { QualifiedName } from '../model/name.js';
import { isTreeObject, stringList, type TreeObject } from './syntax-tree.js';

export interface ObjectConstant {
  readonly kind: 'regclass' | 'regtype';
  /** The text between the quotes. */
  readonly text: string;
  /** Byte offset of the literal in its statement. */
  readonly location: number;
  /** Changes the tree. */
  readonly replace: (text: string) => void;
  /** Of an array of such constants. */
  readonly isArray: boolean;
}

/** What a TypeCast node holds, or null. */
export function objectConstant(node: TreeObject): ObjectConstant | null {
  const { arg, typeName: type } = node;
  const constant = isTreeObject(arg) ? arg['A_Const'] : null;
  if (!isTreeObject(constant) || !isTreeObject(type)) return null;
  const value = constant['sval'];
  const kind = stringList(type['names'])?.at(-1);
  if (!isTreeObject(value) || (kind !== 'regclass' && kind !== 'regtype')) return null;
  return {
    kind,
    text: (value['sval'] as string | undefined) ?? '',
    location: (constant['location'] as number | undefined) ?? 0,
    replace: (text) => (value['sval'] = text),
    isArray: Array.isArray(type['arrayBounds']),
  };
}

/** The constant with the name in it replaced where `to` knows another; null when it knows none. */
export function renamedConstant(
  { kind, text, isArray }: Pick<ObjectConstant, 'kind' | 'text' | 'isArray'>,
  to: (name: QualifiedName) => QualifiedName | null,
): string | null {
  const one = (element: string): string | null => renamedElement(kind, element, to);
  if (!isArray) return one(text);
  const elements = arrayElements(text);
  const renamed = elements?.map((element) => one(element) ?? element) ?? [];
  if (elements === null || renamed.every((element, index) => element === elements[index])) return null;
  return `{${renamed.map(arrayElement).join(',')}}`;
}

function renamedElement(
  kind: ObjectConstant['kind'],
  text: string,
  to: (name: QualifiedName) => QualifiedName | null,
): string | null {
  const brackets = kind === 'regtype' ? (/(\[\])*$/.exec(text)?.[0] ?? '') : '';
  const found = nameIn(text.slice(0, text.length - brackets.length));
  const renamed = found === null ? null : to(found);
  return renamed === null ? null : qualified(renamed) + brackets;
}

/** null for what has no schema (pg_catalog's own), and for what is no name: `-`, an OID, `timestamp with time zone`. */
function nameIn(text: string): QualifiedName | null {
  try {
    const [schema, name, ...more] = parseName(text);
    return schema === undefined || name === undefined || more.length > 0 ? null : { schema, name };
  } catch {
    return null;
  }
}

/** Of a flat array literal without bounds; null for any other. */
function arrayElements(text: string): string[] | null {
  if (!/^\{.*\}$/s.test(text)) return null;
  const elements: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}]+))\s*(,|$)/gsy;
  const inner = text.slice(1, -1);
  while (pattern.lastIndex < inner.length) {
    const match = pattern.exec(inner);
    if (match === null) return null;
    elements.push(match[1] === undefined ? (match[2] ?? '').trim() : match[1].replaceAll(/\\(.)/gs, '$1'));
  }
  return elements;
}

function arrayElement(text: string): string {
  return text === 'NULL' ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
