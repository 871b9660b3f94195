/** SQL that explodes access control lists into `Grant`s. */

/**
 * A JSON array of `Grant`, in the order of the list: a dump has them in that order.
 *
 * @param acl an `aclitem[]` expression; what is null there has the defaults of `type` (acldefault) for `owner`
 */
export function grantsJsonSql(acl: string, type: 'r' | 's' | 'c' | 'f', owner: string): string {
  return `(
    select coalesce(json_agg(json_build_object(
        'grantor', pg_get_userbyid(a.grantor),
        'grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
        'privilege', a.privilege_type,
        'grantable', a.is_grantable
      ) order by a.ordinality), '[]')
    from aclexplode(coalesce(${acl}, acldefault('${type}', ${owner}))) with ordinality as a
  )`;
}
