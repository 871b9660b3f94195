/** Security labels of the table and its columns. */
import type { Session } from '../../db/session.js';
import type { SecurityLabel } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';

export async function readSecurityLabels(session: Session, tableOid: number): Promise<SecurityLabel[]> {
  return await session.rows<SecurityLabel>(
    catalogQuery(
      `
      select l.provider, a.attname::text as column, l.label
      from pg_seclabel as l
      left join pg_attribute as a on a.attrelid = l.objoid and a.attnum = l.objsubid and l.objsubid > 0
      where l.classoid = 'pg_class'::regclass
        and l.objoid = $1
      order by l.provider collate "C", l.objsubid`,
      [tableOid],
    ),
  );
}
