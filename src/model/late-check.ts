/** A CHECK that the rows which exist need not satisfy any more, though it is marked as valid. */
export interface LateCheck {
  readonly name: string;
  readonly why: 'not immutable' | 'own function';
}

/** A foreign key that says more of the rows than before the change. */
export interface CheckedForeignKey {
  readonly name: string;
  /** For each column, between the referenced and the referencing one: `operator(pg_catalog.=)`. */
  readonly operators: readonly string[];
}
