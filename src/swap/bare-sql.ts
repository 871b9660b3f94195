/**
 * A table that has left its place keeps what no application meets any more, but what apply does: its triggers would fire again for
 * what they have fired for, its rules and policies take rows elsewhere or away. They come back with the table (`attachDefinitions`).
 */
import type { Definitions } from '../model/definitions.js';
import type { QualifiedName } from '../model/name.js';
import { dropPolicy, noRowSecurityStatements } from '../ddl/row-security-sql.js';
import { dropRule } from '../ddl/rule-sql.js';
import { dropTrigger } from '../ddl/trigger-sql.js';

/** @param definitions of the table, where it is now */
export function baringStatements(
  table: QualifiedName,
  { triggers, rules, policies, rowSecurity }: Definitions,
): string[] {
  return [
    ...triggers.map(dropTrigger),
    ...rules.map(dropRule),
    ...policies.map(dropPolicy),
    ...noRowSecurityStatements(table, rowSecurity),
  ];
}
