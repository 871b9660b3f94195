/** How to undo it, for people. */
import { displayName, ident, qualified, type QualifiedName } from '../sql/quote.js';

export function copyRollback(table: QualifiedName): string[] {
  const old = `ghost_old_<id>`;
  return [
    'before the cutover: pg-ghost abort ID removes everything again; the table was never touched',
    `after it the old table is kept as ${old}.${ident(table.name)} until pg-ghost finalize ID. It does not follow later writes in this release: rows written after the swap are not in it`,
    `to go back all the same, as the owner: begin; alter table ${qualified(table)} set schema ghost_new_<id>; alter table ${old}.${ident(table.name)} set schema ${ident(table.schema)}; commit. Then copy what was written since from ghost_new_<id>.${ident(table.name)}`,
    'a serial column uses the same sequence in both tables, and its OWNED BY moved with the swap; an identity column has its own in each, so set it first with setval()',
  ];
}

export function nativeRollback(table: QualifiedName): string[] {
  return [
    `the change is made in place on ${displayName(table)} in one transaction: an error leaves nothing behind, but once committed only another ALTER TABLE undoes it, and dropped columns are gone`,
  ];
}
