/** Lists of names in sentences for people: a table can have hundreds of foreign keys. Pure. */

/** All of them when they are not many, else some and how many more. */
const most = 8;
const some = 4;

export const listsThem = '--verbose lists them';

export function fewNames(names: readonly string[]): string {
  return names.length <= most
    ? names.join(', ')
    : `${names.slice(0, some).join(', ')} and ${names.length - some} more (${listsThem})`;
}

/** A sentence with all of the names, and one with few where that is another. */
export function withNames(
  names: readonly string[],
  say: (listed: string) => string,
): { readonly full: string; readonly brief?: string } {
  const full = say(names.join(', '));
  const brief = say(fewNames(names));
  return brief === full ? { full } : { full, brief };
}
