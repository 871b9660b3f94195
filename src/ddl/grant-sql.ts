/** Statements that give an object exactly the grants of another, whoever granted them. */
import type { Grant } from '../catalog/types.js';
import { ident, literal, qualified, type QualifiedName } from '../sql/quote.js';

export interface Grantable {
  readonly kind: 'table' | 'sequence';
  readonly name: QualifiedName;
  readonly owner: string;
  readonly grants: readonly Grant[];
  readonly columnGrants?: readonly { readonly column: string; readonly grants: readonly Grant[] }[];
  /**
   * It is in a schema of ours (the default): a grantor gets USAGE of it for the moment of the grant and no longer, since
   * what the table does not show a role must not be seen in the shadow either.
   */
  readonly ownSchema?: boolean;
}

/**
 * First takes away all that the object got when it was created (ALTER DEFAULT PRIVILEGES, the owner's own), then grants.
 * A grant of another role than the owner is made as that role: the connecting role must be able to become it.
 */
export function grantStatements(object: Grantable): string[] {
  return [
    revokeAll(object),
    ...inOrder(object.owner, explode(object)).flatMap((batch) => grantBatch(object, batch)),
  ];
}

interface SingleGrant extends Grant {
  readonly column: string | null;
}

function explode(object: Grantable): SingleGrant[] {
  return [
    ...object.grants.map((grant) => ({ ...grant, column: null })),
    ...(object.columnGrants ?? []).flatMap(({ column, grants }) =>
      grants.map((grant) => ({ ...grant, column })),
    ),
  ];
}

/** Who has what is known to the server only: default privileges are the creating role's, in this database. */
function revokeAll({ kind, name }: Grantable): string {
  const object = qualified(name);
  const type = kind === 'table' ? 'r' : 's';
  const body = `
declare
  grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_class as c, aclexplode(coalesce(c.relacl, acldefault('${type}', c.relowner))) as a
    where c.oid = ${literal(object)}::regclass
    union
    select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_attribute as at, aclexplode(at.attacl) as a
    where at.attrelid = ${literal(object)}::regclass
  loop
    execute format('revoke all on %s from %s cascade', ${literal(`${kind} ${object}`)}, grantee);
  end loop;
end`;
  return `do ${literal(body)}`;
}

/** A role can pass on only what it holds with grant option, so the grants go in rounds, the owner's first. */
function inOrder(owner: string, grants: readonly SingleGrant[]): SingleGrant[][] {
  const batches: SingleGrant[][] = [];
  const passable = new Set<string>();
  let waiting = [...grants];
  while (waiting.length > 0) {
    const ready = waiting.filter(
      ({ grantor, privilege, column }) =>
        grantor === owner ||
        passable.has(holding(grantor, privilege, null)) ||
        passable.has(holding(grantor, privilege, column)),
    );
    // Nothing left that could be granted properly: the server shall say what it thinks of the rest.
    const round = ready.length > 0 ? ready : waiting;
    for (const grant of round) {
      if (grant.grantable && grant.grantee !== null)
        passable.add(holding(grant.grantee, grant.privilege, grant.column));
    }
    waiting = waiting.filter((grant) => !round.includes(grant));
    batches.push(...alike(round));
  }
  return batches;
}

function holding(role: string, privilege: string, column: string | null): string {
  return JSON.stringify([role, privilege, column]);
}

/** Those that one statement can grant: they differ in nothing but the privilege. */
function alike(grants: readonly SingleGrant[]): SingleGrant[][] {
  const groups = new Map<string, SingleGrant[]>();
  for (const grant of grants) {
    const key = JSON.stringify([grant.grantor, grant.grantee, grant.grantable, grant.column]);
    groups.set(key, [...(groups.get(key) ?? []), grant]);
  }
  return [...groups.values()];
}

function grantBatch(
  { kind, name, owner, ownSchema = true }: Grantable,
  batch: readonly SingleGrant[],
): string[] {
  const [first] = batch;
  if (first === undefined) return [];
  const column = first.column === null ? '' : ` (${ident(first.column)})`;
  const privileges = batch.map(({ privilege }) => `${privilege.toLowerCase()}${column}`).join(', ');
  const grantee = first.grantee === null ? 'public' : ident(first.grantee);
  const option = first.grantable ? ' with grant option' : '';
  const grant = `grant ${privileges} on ${kind} ${qualified(name)} to ${grantee}${option}`;
  if (first.grantor === owner) return [grant];
  const grantor = ident(first.grantor);
  const schema = ident(name.schema);
  return [
    ...(ownSchema ? [`grant usage on schema ${schema} to ${grantor}`] : []),
    `set local role ${grantor}`,
    grant,
    'reset role',
    ...(ownSchema ? [`revoke usage on schema ${schema} from ${grantor}`] : []),
  ];
}
