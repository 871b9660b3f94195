/** Plans keep some texts twice, with all names and with few: scripts get the whole one. */

export function withoutBrief<T extends { readonly brief?: string }>(items: readonly T[]): Omit<T, 'brief'>[] {
  return items.map(({ brief: _, ...item }) => item);
}
