/** Statements that give an object exactly the grants of another, whoever granted them. */
import type { Grant } from '../model/table-shape.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

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
  const grants = inOrder(object.owner, explode(object)).flatMap((batch) => grantBatch(object, batch));
  return isOwnersAlone(object) ? [unlessSo(object, grants)] : [revokeAll(object), ...grants];
}

/** As they are by default, where no list is stored at all: it would be from the first GRANT or REVOKE on. */
function isOwnersAlone({ owner, grants, columnGrants = [] }: Grantable): boolean {
  return (
    grants.every(({ grantor, grantee }) => grantor === owner && grantee === owner) &&
    columnGrants.every((column) => column.grants.length === 0)
  );
}

function unlessSo(object: Grantable, grants: readonly string[]): string {
  const wanted = object.grants.map(
    ({ grantor, grantee, privilege, grantable }) =>
      `${privilege} to ${grantee ?? ''} by ${grantor}${grantable ? ' with grant option' : ''}`,
  );
  const name = literal(qualified(object.name));
  const body = `
declare
  grantee text;
begin
  if not exists (select from pg_attribute where attrelid = ${name}::regclass and attacl is not null)
    and array(
      select concat(a.privilege_type, ' to ', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
        ' by ', pg_get_userbyid(a.grantor), case when a.is_grantable then ' with grant option' end)
      from pg_class as c, aclexplode(coalesce(c.relacl, ${defaultAcl(object)})) with ordinality as a
      where c.oid = ${name}::regclass
      order by a.ordinality
    ) = array[${wanted.map(literal).join(', ')}]::text[]
  then
    return;
  end if;
${revokeLoop(object)}
${grants.map((grant) => `  execute ${literal(grant)};`).join('\n')}
end`;
  return `do ${literal(body)}`;
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
function revokeAll(object: Grantable): string {
  const body = `
declare
  grantee text;
begin
${revokeLoop(object)}
end`;
  return `do ${literal(body)}`;
}

function defaultAcl({ kind }: Grantable): string {
  return `acldefault('${kind === 'table' ? 'r' : 's'}', c.relowner)`;
}

function revokeLoop(object: Grantable): string {
  const name = qualified(object.name);
  return `  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_class as c, aclexplode(coalesce(c.relacl, ${defaultAcl(object)})) as a
    where c.oid = ${literal(name)}::regclass
    union
    select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_attribute as at, aclexplode(at.attacl) as a
    where at.attrelid = ${literal(name)}::regclass
  loop
    execute format('revoke all on %s from %s cascade', ${literal(`${object.kind} ${name}`)}, grantee);
  end loop;`;
}

/**
 * In the order of the list, which is that of the list to be: each new pair of grantee and grantor comes to its end. A role
 * can pass on only what it holds with grant option, so one that would come too early comes right after that.
 */
function inOrder(owner: string, grants: readonly SingleGrant[]): SingleGrant[][] {
  const batches: SingleGrant[][] = [];
  const passable = new Set<string>();
  const isReady = ({ grantor, privilege, column }: SingleGrant): boolean =>
    grantor === owner ||
    passable.has(holding(grantor, privilege, null)) ||
    passable.has(holding(grantor, privilege, column));
  let waiting = alike(grants);
  while (waiting.length > 0) {
    // Nothing left that could be granted properly: the server shall say what it thinks of the rest.
    const next =
      waiting.find((batch) => batch.every(isReady)) ??
      waiting.find((batch) => batch.some(isReady)) ??
      waiting[0];
    if (next === undefined) break;
    for (const grant of next) {
      if (grant.grantable && grant.grantee !== null)
        passable.add(holding(grant.grantee, grant.privilege, grant.column));
    }
    waiting = waiting.filter((batch) => batch !== next);
    batches.push(next);
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
