import type { Definitions, ForeignKey } from '../../../model/definitions.js';

/** Foreign keys that were valid: the swap adds them NOT VALID, and they are validated after it. */
export function toValidate({
  foreignKeysOut,
  foreignKeysIn,
}: Pick<Definitions, 'foreignKeysOut' | 'foreignKeysIn'>): ForeignKey[] {
  return [...foreignKeysOut, ...foreignKeysIn].filter(({ validated, enforced }) => validated && enforced);
}
