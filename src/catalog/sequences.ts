/** The sequences that columns of a table own: serial and identity. */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { qualified } from '../sql/quote.js';
import { grantsJsonSql } from './acl-sql.js';
import type { OwnedSequence, TableShape } from '../model/table-shape.js';

/** In order of the columns. */
export async function readOwnedSequences(session: Session, oid: number): Promise<OwnedSequence[]> {
  return await session.rows<OwnedSequence>(catalogQuery(sequencesSql(session.serverVersion), [oid]));
}

const sequencesSql = (serverVersion: number): string => `
  select
    s.oid,
    json_build_object('schema', n.nspname, 'name', s.relname) as name,
    a.attname::text as column,
    d.deptype = 'i' as identity,
    format_type(q.seqtypid, null) as type,
    q.seqstart::text as start,
    q.seqincrement::text as increment,
    q.seqmin::text as min,
    q.seqmax::text as max,
    q.seqcache::text as cache,
    q.seqcycle as cycle,
    pg_get_userbyid(s.relowner)::text as owner,
    ${grantsJsonSql('s.relacl', 's', 's.relowner')} as grants,
    obj_description(s.oid, 'pg_class') as comment,
    ${serverVersion >= unloggedSequencesSince ? `s.relpersistence = 'u'` : 'null::boolean'} as unlogged
  from pg_depend as d
  join pg_class as s on s.oid = d.objid and s.relkind = 'S'
  join pg_sequence as q on q.seqrelid = s.oid
  join pg_namespace as n on n.oid = s.relnamespace
  join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where d.classid = 'pg_class'::regclass
    and d.refclassid = 'pg_class'::regclass
    and d.refobjid = $1
    and d.refobjsubid > 0
    and d.deptype in ('a', 'i')
  order by a.attnum, s.oid`;

const unloggedSequencesSince = 150000;

/**
 * The changed clone, with where the change has set its identity sequences. One that the change leaves where it was is as the
 * clone had it, which is called.
 *
 * @param before the clone before the change
 */
export async function withStarts(
  session: Session,
  before: TableShape,
  after: TableShape,
): Promise<TableShape> {
  const sequences: OwnedSequence[] = [];
  for (const sequence of after.sequences) {
    const { at, called } = await session.row<{ at: string; called: boolean }>(
      `select last_value::text as at, is_called as called from ${qualified(sequence.name)}`,
    );
    const isNew = before.sequences.every(({ oid }) => oid !== sequence.oid);
    sequences.push(sequence.identity && (isNew || !called) ? { ...sequence, startsAt: at } : sequence);
  }
  return { ...after, sequences };
}
