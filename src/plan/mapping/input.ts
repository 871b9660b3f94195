/** What is known when columns are mapped. */
import type { ChangeStatement, SetExpression, UserExpression } from '../change/types.js';
import type { Trial } from '../trial/types.js';

export interface MappingInput {
  /** The source's name, by which expressions may qualify columns. */
  readonly table: string;
  readonly statements: readonly ChangeStatement[];
  readonly set: readonly SetExpression[];
  readonly trial: Trial;
  /** Whether an expression gives the same value each time (no `random()`, no `now()`). */
  readonly isRepeatable: (expression: UserExpression) => boolean;
}
