/** Defaults of other tables that mean this one. */
import type { DefaultElsewhere } from '../model/definitions.js';
import { ident, qualified } from '../sql/quote.js';

/** Of the table alone: its partitions and children have defaults of their own. */
export function setDefault({ name, table, expression }: DefaultElsewhere): string {
  return `alter table only ${qualified(table)} alter column ${ident(name)} set default ${expression}`;
}
