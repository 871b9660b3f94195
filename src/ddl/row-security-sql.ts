/** Row level security and its policies. */
import type { Policy, RowSecurity } from '../model/definitions.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export function createPolicy(policy: Policy): string[] {
  const { name, table, permissive, command, roles, comment } = policy;
  const grantees = roles.map((role) => (role === null ? 'public' : ident(role))).join(', ');
  const kind = permissive ? 'permissive' : 'restrictive';
  return [
    `create policy ${ident(name)} on ${qualified(table)} as ${kind} for ${command} to ${grantees}${conditions(policy)}`,
    ...(comment === null
      ? []
      : [`comment on policy ${ident(name)} on ${qualified(table)} is ${literal(comment)}`]),
  ];
}

export function dropPolicy({ name, table }: Pick<Policy, 'name' | 'table'>): string {
  return `drop policy ${ident(name)} on ${qualified(table)}`;
}

/** Its expressions only: they are bound to what they read. */
export function alterPolicy(policy: Policy): string {
  return `alter policy ${ident(policy.name)} on ${qualified(policy.table)}${conditions(policy)}`;
}

function conditions({ using, check }: Policy): string {
  return (using === null ? '' : ` using (${using})`) + (check === null ? '' : ` with check (${check})`);
}

export function rowSecurityStatements(table: QualifiedName, { enabled, forced }: RowSecurity): string[] {
  return [
    ...(enabled ? [`alter table ${qualified(table)} enable row level security`] : []),
    ...(forced ? [`alter table ${qualified(table)} force row level security`] : []),
  ];
}

/** Undoes them. */
export function noRowSecurityStatements(table: QualifiedName, { enabled, forced }: RowSecurity): string[] {
  return [
    ...(enabled ? [`alter table ${qualified(table)} disable row level security`] : []),
    ...(forced ? [`alter table ${qualified(table)} no force row level security`] : []),
  ];
}
