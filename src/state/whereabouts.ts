/**
 * Where the tables of a migration are now, whatever they are called, and whether its state belongs to this database at all. A
 * dump that was taken in the middle of a migration brings state, triggers and shadow along, but every object under another
 * OID; a copy of the whole database (a template, pg_upgrade) has the same OIDs under another identity of the database.
 */
import type { Session } from '../db/session.js';
import type { QualifiedName } from '../model/name.js';
import { isOver, isSwapped } from '../model/phase.js';
import type { MigrationRecord } from './migrations.js';
import {
  findRelation,
  findRelationNamed,
  readOwnObjects,
  type OwnObjects,
  type Relation,
} from './own-objects.js';
import { isSameDatabase, readHome } from './server-identity.js';

/** `here`: it was begun in this database, or has ended. `copied`: in one that this is a copy of. `restored`: its OIDs are not those of this one. */
export type Origin = 'here' | 'copied' | 'restored';

export interface Whereabouts {
  readonly origin: Origin;
  readonly own: OwnObjects;
  /** The user's: the source, or the new table after the swap. null when it is gone, or cannot be told. */
  readonly table: Relation | null;
  /** null after the swap, and when it is gone. */
  readonly shadow: Relation | null;
  /** null before the swap, and when it is gone. */
  readonly old: (Relation & { readonly isOutside: boolean }) | null;
}

export async function whereabouts(session: Session, record: MigrationRecord): Promise<Whereabouts> {
  const isHome = record.server === null || isSameDatabase(record.server, await readHome(session));
  // Another database gives the same numbers to other schemas.
  const own = await readOwnObjects(session, record, isHome ? record.schemaOids : undefined);
  const fits = await oidsFit(session, record, own, isHome);
  if (isOver(record.phase)) return { origin: 'here', own, table: null, shadow: null, old: null };
  const origin = !fits ? 'restored' : isHome ? 'here' : 'copied';
  const inSchema = async (role: 'shadow' | 'old table'): Promise<Relation | null> => {
    const schema = own.schemas.find((each) => each.role === role);
    return schema === undefined
      ? null
      : await findRelationNamed(session, { schema: schema.name, name: record.table.name });
  };
  if (!isSwapped(record.phase)) {
    return {
      origin,
      own,
      table: fits ? await findRelation(session, record.sourceOid) : carrier(own, record.table),
      shadow: fits ? await findRelation(session, record.shadowOid) : await inSchema('shadow'),
      old: null,
    };
  }
  const old = fits ? await findRelation(session, record.sourceOid) : await inSchema('old table');
  return {
    origin,
    own,
    table:
      fits && record.shadowOid !== null
        ? await findRelation(session, record.shadowOid)
        : await findRelationNamed(session, record.table),
    shadow: null,
    old:
      old === null ? null : { ...old, isOutside: !own.schemas.some((schema) => schema.name === old.schema) },
  };
}

/**
 * Are the recorded OIDs those of this database? Each thing that the marks lead to is evidence, for or against: what capture is
 * on, and what lies in our schemas. Without any evidence the identity of the database decides.
 */
async function oidsFit(
  session: Session,
  { phase, sourceOid, shadowOid, schemaOids, table }: MigrationRecord,
  own: OwnObjects,
  isHome: boolean,
): Promise<boolean> {
  const evidence: boolean[] = [];
  const captured = own.triggers.map((trigger) => trigger.table.oid);
  if (captured.length > 0) evidence.push(captured.includes(sourceOid));
  const expected = isSwapped(phase) ? sourceOid : shadowOid;
  const role = isSwapped(phase) ? 'old table' : 'shadow';
  for (const schema of own.schemas) {
    const recorded = schema.role === 'shadow' ? schemaOids.shadow : schemaOids.old;
    // pg_upgrade keeps the OIDs of tables, and not those of schemas.
    if (recorded !== null && (isHome || recorded === schema.oid)) evidence.push(recorded === schema.oid);
    if (schema.role !== role || expected === null) continue;
    const kept = await findRelation(session, expected);
    // Renamed in there it is still ours.
    if (kept?.schema === schema.name) evidence.push(true);
    else if ((await findRelationNamed(session, { schema: schema.name, name: table.name })) !== null)
      evidence.push(false);
  }
  return evidence.length === 0 ? isHome : evidence.includes(true);
}

/** What capture is on; where that is several tables, the one of the recorded name first. */
function carrier({ triggers }: OwnObjects, { schema, name }: QualifiedName): Relation | null {
  const tables = triggers.map((trigger) => trigger.table);
  return tables.find((table) => table.schema === schema && table.name === name) ?? tables[0] ?? null;
}
