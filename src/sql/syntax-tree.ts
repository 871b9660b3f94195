/** Generic operations on the parser's trees, which are plain JSON. */

/** Fields that hold positions in the text, not meaning. */
const positions = new Set([
  'location',
  'stmt_location',
  'stmt_len',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
]);

export type TreeObject = Record<string, unknown>;

export function isTreeObject(value: unknown): value is TreeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two trees mean the same: equal but for the positions of their parts. */
export function treesEqual(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => treesEqual(item, b[index]));
  }
  if (!isTreeObject(a)) return a === b;
  if (!isTreeObject(b)) return false;
  const keysOfA = meaningfulKeys(a);
  const other = b;
  return (
    keysOfA.length === meaningfulKeys(b).length &&
    keysOfA.every((key) => key in other && treesEqual(a[key], other[key]))
  );
}

function meaningfulKeys(tree: TreeObject): string[] {
  return Object.keys(tree).filter((key) => !positions.has(key));
}

/** Calls `visit` for every object of the tree, parents first. */
export function walkTree(tree: unknown, visit: (object: TreeObject) => void): void {
  if (Array.isArray(tree)) {
    for (const item of tree) walkTree(item, visit);
  } else if (isTreeObject(tree)) {
    visit(tree);
    for (const value of Object.values(tree)) walkTree(value, visit);
  }
}

/** The values of a list of `String` nodes (a qualified name); null when it holds anything else. */
export function stringList(nodes: unknown): string[] | null {
  if (!Array.isArray(nodes)) return null;
  const values = nodes.map((node: unknown) =>
    isTreeObject(node) && isTreeObject(node['String'])
      ? ((node['String']['sval'] as string | undefined) ?? '')
      : null,
  );
  return values.every((value) => value !== null) ? values : null;
}
