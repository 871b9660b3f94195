/** A schema-qualified name, unquoted, exactly as the catalog has it. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}
