/** Functions and procedures that are bound to tables: by an SQL-standard body, or by a row type in their signature. */
import type { RowTypeFunction, SqlFunction } from '../model/definitions.js';
import { parseStatement } from '../sql/parse.js';
import { ident, literal } from '../sql/quote.js';
import { byteSlice, tokens, tokenType } from '../sql/tokens.js';

/** Keeps OID, owner, grants and comment. */
export function replaceFunction({ definition }: SqlFunction): string {
  return definition;
}

/**
 * The same function with an empty body, which depends on nothing: for the moment in which what the real one reads is gone. Only with
 * `check_function_bodies` off.
 */
export function stubFunction({ definition }: SqlFunction): string {
  const stub = `${byteSlice(definition, 0, startOfBody(definition))}AS ''`;
  parseStatement(stub);
  return stub;
}

/** Byte offset of BEGIN ATOMIC or RETURN, which is the last clause of what PostgreSQL writes. */
function startOfBody(definition: string): number {
  const all = tokens(definition);
  const word = (at: number): string => {
    const token = all[at];
    return token?.isKeyword === true ? byteSlice(definition, token.start, token.end).toLowerCase() : '';
  };
  let depth = 0;
  for (const [at, token] of all.entries()) {
    if (token.type === tokenType.leftParen) depth += 1;
    else if (token.type === tokenType.rightParen) depth -= 1;
    else if (depth === 0 && (word(at) === 'return' || (word(at) === 'begin' && word(at + 1) === 'atomic'))) {
      return token.start;
    }
  }
  throw new Error(`there is no SQL body in: ${definition}`);
}

/** All of them at once: some may call others. The signatures name the table whose type they are bound to. */
export function dropFunctions(functions: readonly RowTypeFunction[]): string[] {
  return functions.length === 0
    ? []
    : [`drop routine ${functions.map(({ signature }) => signature).join(', ')}`];
}

/** With all that hangs on it. Another OID; only with `check_function_bodies` off, since a body may not fit any more (as after ALTER). */
export function createFunction(fn: RowTypeFunction): string[] {
  const { definition, signature, owner, comment, extensions, labels } = fn;
  return [
    definition,
    `alter routine ${signature} owner to ${ident(owner)}`,
    ...functionGrants(fn),
    ...(comment === null ? [] : [`comment on routine ${signature} is ${literal(comment)}`]),
    ...extensions.map((extension) => `alter routine ${signature} depends on extension ${ident(extension)}`),
    ...labels.map(
      ({ provider, label }) =>
        `security label for ${ident(provider)} on routine ${signature} is ${literal(label)}`,
    ),
  ];
}

/** First away with what it got when it was created (ALTER DEFAULT PRIVILEGES), if that is anything. */
function functionGrants({ signature, owner, grants }: RowTypeFunction): string[] {
  const body = `
declare
  grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_proc as p, aclexplode(${grants === null ? 'p.proacl' : "coalesce(p.proacl, acldefault('f', p.proowner))"}) as a
    where p.oid = ${literal(signature)}::regprocedure
  loop
    execute format('revoke all on routine %s from %s cascade', ${literal(signature)}, grantee);
  end loop;
end`;
  const reset = `do ${literal(body)}`;
  if (grants === null) {
    const restored = `
begin
  if (select proacl is not null from pg_proc where oid = ${literal(signature)}::regprocedure) then
    grant execute on routine ${signature} to public, ${ident(owner)};
  end if;
end`;
    return [reset, `do ${literal(restored)}`];
  }
  return [reset, ...inOrder(owner, grants).flatMap((grant) => grantExecute(signature, owner, grant))];
}

type Granted = NonNullable<RowTypeFunction['grants']>[number];

/** Who passes it on must have it by then. */
function inOrder(owner: string, grants: readonly Granted[]): Granted[] {
  const ordered: Granted[] = [];
  const passable = new Set([owner]);
  let waiting = [...grants];
  while (waiting.length > 0) {
    const ready = waiting.filter(({ grantor }) => passable.has(grantor));
    const round = ready.length > 0 ? ready : waiting;
    for (const { grantee, grantable } of round) if (grantable && grantee !== null) passable.add(grantee);
    ordered.push(...round);
    waiting = waiting.filter((grant) => !round.includes(grant));
  }
  return ordered;
}

function grantExecute(signature: string, owner: string, { grantor, grantee, grantable }: Granted): string[] {
  const to = grantee === null ? 'public' : ident(grantee);
  const grant = `grant execute on routine ${signature} to ${to}${grantable ? ' with grant option' : ''}`;
  return grantor === owner ? [grant] : [`set local role ${ident(grantor)}`, grant, 'reset role'];
}
