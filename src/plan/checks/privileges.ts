import type { Refusal } from '../../errors.js';

/** @param missing GRANT statements, from `missingPrivileges` */
export function checkPrivileges(role: string, missing: readonly string[]): Refusal[] {
  if (missing.length === 0) return [];
  return [
    {
      code: 'privilege',
      message: `role ${role} lacks privileges for this table`,
      hint: `as an administrator run:\n${missing.map((statement) => `  ${statement};`).join('\n')}`,
    },
  ];
}
