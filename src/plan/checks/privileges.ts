/** What a role lacks, as a refusal with the statements that help. Pure. */
import type { Lack, Lacking } from '../../catalog/privileges.js';
import type { Refusal } from '../../errors.js';

export function checkPrivileges(role: string, lacking: Lacking): Refusal[] {
  if (lacking.own.length === 0) return [];
  return [
    {
      code: 'privilege',
      message: `role ${role} lacks privileges for this table`,
      hint: alternatives(lacking).join('\n'),
    },
  ];
}

/** Each of them is enough; the first gives least away. */
function alternatives({ own, owner }: Lacking): string[] {
  const others = own.some(({ instead }) => instead !== null);
  return [
    'as an administrator run:',
    ...listed(own.map(({ statement }) => statement)),
    ...(others
      ? [
          'or, which gives more:',
          ...listed([...new Set(own.map(({ statement, instead }) => instead ?? statement))]),
        ]
      : []),
    ...(owner === null ? [] : asOwner(owner.role, owner.lacks)),
  ];
}

function asOwner(role: string, lacks: readonly Lack[]): string[] {
  return lacks.length === 0
    ? [`or connect as the owner, ${role}, who lacks nothing`]
    : [`or connect as the owner, ${role}, after:`, ...listed(lacks.map(({ statement }) => statement))];
}

function listed(statements: readonly string[]): string[] {
  return statements.map((statement) => `  ${statement};`);
}
