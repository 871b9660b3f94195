/** For those who know of migrations of one table alone. @throws Error when there are more */
export function onlyTable<Table>({ tables }: { readonly tables: readonly [Table, ...Table[]] }): Table {
  if (tables.length > 1) throw new Error(`the migration has ${tables.length} tables`);
  return tables[0];
}
