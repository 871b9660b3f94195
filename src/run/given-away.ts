/** Objects of a migration that this role may not drop any more: somebody, or an event trigger, has given them to another role. */
import { advice, toDo } from '../advice.js';
import type { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import type { Removable } from '../state/own-objects.js';

/**
 * @param session in no transaction
 * @returns null when that is not the reason
 */
export async function givenAway(
  session: Session,
  { own, shadows }: Removable,
  id: number,
  cause: unknown,
): Promise<FailedError | null> {
  if (sqlState(cause) !== SqlState.insufficientPrivilege) return null;
  const names = [...own.tables, ...shadows];
  const rows = await session.rows<{ statement: string }>({
    // By the catalog: names are not looked up in a schema that is closed to this role.
    text: `
      select format('alter table %I.%I owner to %I', n.nspname, c.relname, current_user) as statement
      from unnest($1::name[], $2::name[]) as own (schema, name)
      join pg_namespace as n on n.nspname = own.schema
      join pg_class as c on c.relnamespace = n.oid and c.relname = own.name
      where not pg_has_role(c.relowner, 'usage')
      union all
      select format('alter function %I.%I() owner to %I', n.nspname, p.proname, current_user)
      from unnest($3::name[], $4::name[]) as own (schema, name)
      join pg_namespace as n on n.nspname = own.schema
      join pg_proc as p on p.pronamespace = n.oid and p.proname = own.name and p.pronargs = 0
      where not pg_has_role(p.proowner, 'usage')
      union all
      select format('alter schema %I owner to %I', n.nspname, current_user)
      from pg_namespace as n
      where n.nspname = any ($5::name[]) and not pg_has_role(n.nspowner, 'usage')
      order by 1`,
    values: [
      names.map(({ schema }) => schema),
      names.map(({ name }) => name),
      own.functions.map(({ schema }) => schema),
      own.functions.map(({ name }) => name),
      own.schemas.map(({ name }) => name),
    ],
  });
  if (rows.length === 0) return null;
  const statements = rows.map(({ statement }) => statement);
  return new FailedError('not-removed', 'what this migration made belongs to another role by now', {
    state: 'capture is off; the shadow and the log are still there',
    hint: advice`as a superuser, or as the owner:\n${statements.map((statement) => `  ${statement};`).join('\n')}\nthen ${toDo('abort', id)} again`,
    details: { statements },
    cause,
  });
}
