/** Foreign keys: added without a look at the rows, validated later. */
import type { ForeignKey } from '../model/definitions.js';
import { ident, identList, literal, qualified } from '../sql/quote.js';

export function foreignKeyDefinition(key: ForeignKey, { notValid }: { readonly notValid: boolean }): string {
  const set = key.setColumns.length === 0 ? '' : ` (${identList(key.setColumns)})`;
  return [
    `foreign key (${columnList(key.columns, key.period)})`,
    `references ${qualified(key.references)} (${columnList(key.referencedColumns, key.period)})`,
    ...(key.match === 'full' ? ['match full'] : []),
    ...(key.onUpdate === 'no action' ? [] : [`on update ${key.onUpdate}`]),
    ...(key.onDelete === 'no action' ? [] : [`on delete ${key.onDelete}${set}`]),
    ...(key.deferrable ? ['deferrable'] : []),
    ...(key.initiallyDeferred ? ['initially deferred'] : []),
    // What is not enforced is never validated either.
    ...(key.enforced ? [] : ['not enforced']),
    ...(key.enforced && notValid ? ['not valid'] : []),
  ].join(' ');
}

function columnList(columns: readonly string[], period: boolean): string {
  return columns
    .map((name, index) => (period && index === columns.length - 1 ? `period ${ident(name)}` : ident(name)))
    .join(', ');
}

/** NOT VALID: SHARE ROW EXCLUSIVE on both tables, and no row is read. */
export function addForeignKey(key: ForeignKey, { notValid = true } = {}): string[] {
  const { table, name, comment } = key;
  return [
    `alter table ${qualified(table)} add constraint ${ident(name)} ${foreignKeyDefinition(key, { notValid })}`,
    ...(comment === null
      ? []
      : [`comment on constraint ${ident(name)} on ${qualified(table)} is ${literal(comment)}`]),
  ];
}

/** ACCESS EXCLUSIVE on both tables. */
export function dropForeignKey({ table, name }: ForeignKey): string {
  return `alter table ${qualified(table)} drop constraint ${ident(name)}`;
}

/** SHARE UPDATE EXCLUSIVE on the referencing table, ROW SHARE on the other. */
export function validateForeignKey({ table, name }: ForeignKey): string {
  return `alter table ${qualified(table)} validate constraint ${ident(name)}`;
}
