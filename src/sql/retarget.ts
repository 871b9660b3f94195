/**
 * Points a statement at another relation without touching the rest of its text: by the parser's locations where it
 * gives them, by trying the places where the scanner sees such a name where it does not. Whatever was replaced,
 * the new text is parsed and must give the old tree with exactly these names changed.
 */
import { isTreeObject, stringList, treesEqual, walkTree, type TreeObject } from './syntax-tree.js';
import type { RangeVar } from 'libpg-query';
import { parseStatement } from './parse.js';
import { qualified } from './quote.js';
import type { QualifiedName } from '../model/name.js';
import { byteSplice, tokenType, tokens, type Token } from './tokens.js';

/** A name as a statement has it: without schema when it has none. */
export interface RelationReference {
  readonly schema?: string | undefined;
  readonly name: string;
}

/** null for a name with a database in it: nobody writes those, and they are one more way to be wrong. */
export function rangeReference(range: RangeVar | undefined): RelationReference | null {
  if (range?.relname === undefined || range.catalogname !== undefined) return null;
  return range.schemaname === undefined
    ? { name: range.relname }
    : { schema: range.schemaname, name: range.relname };
}

/**
 * Replaces the name of a relation wherever the statement names it exactly so (with or without schema, as in `from`):
 * in every place for a table or index, as the object of DROP INDEX and COMMENT ON, and for the sequence of an identity column. Column references that are
 * qualified with the schema are not names of a relation, and stay.
 *
 * @returns the statement without the comments around it
 * @throws Error when the statement does not name it, or names it in a way that cannot be replaced safely
 */
export function retargetRelation(text: string, from: RelationReference, to: QualifiedName): string {
  const statement = parseStatement(text);
  const wanted: unknown = structuredClone(statement.tree);
  let result = statement.text;
  const places = namePlaces(wanted).filter(
    (place) => place.name === from.name && place.schema === from.schema && !place.hasCatalog,
  );
  if (places.length === 0) throw new Error(`the statement does not name ${from.name}: ${text}`);
  // From the end, so that the locations of the others stay true.
  for (const place of places.toSorted((a, b) => (b.location ?? -1) - (a.location ?? -1))) {
    place.rename(to);
    result = replaceOne(result, place, to, wanted);
  }
  return result;
}

interface NamePlace {
  readonly schema: string | undefined;
  readonly name: string;
  readonly hasCatalog: boolean;
  /** Byte offset of the name; null for the objects of DROP and COMMENT and for sequences, which have none. */
  readonly location: number | null;
  /** Changes the tree. */
  readonly rename: (to: QualifiedName) => void;
}

function replaceOne(text: string, place: NamePlace, to: QualifiedName, wanted: unknown): string {
  const all = tokens(text);
  const parts = place.schema === undefined ? 1 : 2;
  const candidates = all.flatMap((token, index) => {
    if (place.location !== null && token.start !== place.location) return [];
    const end = endOfName(all, index, parts);
    return end === null ? [] : [{ start: token.start, end: end.end }];
  });
  for (const { start, end } of candidates) {
    const changed = byteSplice(text, start, end, qualified(to));
    if (parsesTo(changed, wanted)) return changed;
  }
  throw new Error(`cannot replace the name ${place.name} in: ${text}`);
}

/** The last token of a name of so many parts that starts here. */
function endOfName(all: readonly Token[], index: number, parts: number): Token | null {
  for (let part = 1; part < parts; part++) {
    if (all[index + part * 2 - 1]?.type !== tokenType.dot) return null;
  }
  return all[index + (parts - 1) * 2] ?? null;
}

function parsesTo(text: string, wanted: unknown): boolean {
  try {
    return treesEqual(parseStatement(text).tree, wanted);
  } catch {
    return false; // replaced something that is not a name
  }
}

function namePlaces(tree: unknown): NamePlace[] {
  const places: NamePlace[] = [];
  walkTree(tree, (object) => {
    if (typeof object['relname'] === 'string') places.push(rangeVarPlace(object, object['relname']));
    if (isTreeObject(object['DropStmt'])) places.push(...dropPlaces(object['DropStmt']));
    if (isTreeObject(object['DefElem'])) places.push(...sequencePlaces(object['DefElem']));
    if (isTreeObject(object['CommentStmt'])) places.push(...commentPlaces(object['CommentStmt']));
  });
  return places;
}

/** A RangeVar; the only node with a `relname`. */
function rangeVarPlace(rangeVar: TreeObject, name: string): NamePlace {
  return {
    name,
    schema: rangeVar['schemaname'] as string | undefined,
    hasCatalog: rangeVar['catalogname'] !== undefined,
    location: (rangeVar['location'] as number | undefined) ?? 0,
    rename: (to) => {
      rangeVar['schemaname'] = to.schema;
      rangeVar['relname'] = to.name;
    },
  };
}

function dropPlaces(drop: TreeObject): NamePlace[] {
  if (drop['removeType'] !== 'OBJECT_INDEX' && drop['removeType'] !== 'OBJECT_TABLE') return [];
  return (drop['objects'] as unknown[]).flatMap((object) => listPlace(object, 0));
}

/** Of an identity column: `(SEQUENCE NAME app.x_seq)`. */
function sequencePlaces(option: TreeObject): NamePlace[] {
  return option['defname'] === 'sequence_name' ? listPlace(option['arg'], 0) : [];
}

/** How many names follow the relation's own in the object of COMMENT ON. */
const namesAfterRelation: Readonly<Record<string, number>> = {
  OBJECT_TABLE: 0,
  OBJECT_INDEX: 0,
  OBJECT_COLUMN: 1,
  OBJECT_TABCONSTRAINT: 1,
};

function commentPlaces(comment: TreeObject): NamePlace[] {
  const after = namesAfterRelation[comment['objtype'] as string];
  return after === undefined ? [] : listPlace(comment['object'], after);
}

/** A qualified name as a list of strings, the last `after` of which are not the relation's. */
function listPlace(node: unknown, after: number): NamePlace[] {
  const list = isTreeObject(node) && isTreeObject(node['List']) ? node['List'] : null;
  const names = list === null ? null : stringList(list['items']);
  if (list === null || names === null) return [];
  const own = names.slice(0, names.length - after);
  const name = own.at(-1);
  if (name === undefined) return [];
  return [
    {
      name,
      schema: own.at(-2),
      hasCatalog: own.length > 2,
      location: null,
      rename: (to) => {
        const items = list['items'] as unknown[];
        const renamed = [to.schema, to.name].map((sval) => ({ String: { sval } }));
        list['items'] = [...renamed, ...items.slice(own.length)];
      },
    },
  ];
}
