/** Publications that name the table, but for those of a capture. Column lists and row filters exist from 15 on. */
import type { Session } from '../../db/session.js';
import { isMarkSql } from '../../sql/marks.js';
import type { PublicationMember } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';

const columnListsSince = 150000;

export async function readPublications(session: Session, tableOid: number): Promise<PublicationMember[]> {
  const detailed = session.serverVersion >= columnListsSince;
  return await session.rows<PublicationMember>(
    catalogQuery(
      `
      select
        pr.oid,
        p.pubname::text as publication,
        pg_get_userbyid(p.pubowner)::text as owner,
        ${detailed ? columnListSql : 'null::text[]'} as columns,
        ${detailed ? 'pg_get_expr(pr.prqual, pr.prrelid)' : 'null::text'} as filter
      from pg_publication_rel as pr
      join pg_publication as p on p.oid = pr.prpubid
      where pr.prrelid = $1 and not ${isMarkSql(`obj_description(p.oid, 'pg_publication')`)}
      order by p.pubname collate "C"`,
      [tableOid],
    ),
  );
}

const columnListSql = `
  (
    select array_agg(a.attname::text order by a.attnum)
    from pg_attribute as a
    where a.attrelid = pr.prrelid
      and a.attnum = any (pr.prattrs)
  )`;
