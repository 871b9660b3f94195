/**
 * Everything that hangs on a table and is not part of its shape. It starts from pg_depend and not from a list of known
 * things, so that what nobody thought of is found too, and named as PostgreSQL names it (kind `other`); what
 * pg_depend does not have is added.
 *
 * Not to be found by anybody: what is hidden in text (bodies of PL/pgSQL functions, jobs, applications).
 */
import type { Session } from '../db/session.js';
import { dependentKinds } from './dependent-kinds.js';
import { dependentsSql, membershipsSql } from './dependents-sql.js';
import { withDeparseSettings } from './deparse-settings.js';
import { frozen } from './freeze.js';
import type { Dependent, DependentKind } from '../model/dependent.js';

/** Sorted by kind, then name. Our own capture triggers are left out. */
export async function readDependents(session: Session, tableOid: number): Promise<Dependent[]> {
  return await withDeparseSettings(session, async () => {
    const memberships = await session.rows<Dependent>(membershipsSql(tableOid, session.serverVersion));
    const place = ({ catalog, oid }: Dependent, part = 0): string => `${catalog} ${oid} ${part}`;
    /** What is found in two ways is there once, as what it was found first. */
    const known = new Set(memberships.filter(({ kind }) => !saysMore.has(kind)).map((each) => place(each)));
    const found = [...memberships];

    // Views are recreated in the swap, so what hangs on them matters as much: one round for each level of views.
    const relations = new Set([tableOid]);
    let level: readonly number[] = [tableOid];
    while (level.length > 0) {
      const rows = await session.rows<DependentRow>(dependentsSql(level, tableOid));
      level = [...new Set(rows.filter(isView).map(({ oid }) => oid))].filter((oid) => !relations.has(oid));
      for (const view of level) relations.add(view);
      for (const row of rows) {
        const { catalog, oid, objsubid, name, via, extension, sequences } = row;
        const kind = kindOf(row, tableOid, relations);
        const dependent = {
          kind,
          name,
          catalog,
          oid,
          via,
          extension,
          ...(sequences === null ? {} : { sequences }),
        };
        if (known.has(place(dependent, objsubid))) continue;
        known.add(place(dependent, objsubid));
        found.push(dependent);
      }
    }
    return frozen(inOrder(found));
  });
}

/** Something that is said of an object, which may depend on the table in another way besides. */
const saysMore: ReadonlySet<DependentKind> = new Set([
  'row-level-security',
  'partitioned-table',
  'extension-member',
  'depends-on-extension',
  'security-label',
]);

/** What is known of an object that depends on the table or on a view over it. */
interface DependentRow {
  readonly catalog: string;
  readonly oid: number;
  readonly objsubid: number;
  readonly name: string;
  readonly via: Dependent['via'];
  readonly extension: string | null;
  /** The relation that a trigger, rule, policy, constraint or membership in a publication belongs to. */
  readonly home: number | null;
  readonly sequences: readonly number[] | null;
  readonly relkind: string | null;
  readonly contype: string | null;
  /** Trigger: made by CREATE CONSTRAINT TRIGGER. */
  readonly isConstraintTrigger: boolean;
  /** Function: the row type is in its signature. */
  readonly usesRowType: boolean;
  /** Function: has an SQL-standard body. */
  readonly hasSqlBody: boolean;
}

function isView({ relkind }: DependentRow): boolean {
  return relkind === 'v' || relkind === 'm';
}

function kindOf(row: DependentRow, tableOid: number, relations: ReadonlySet<number>): DependentKind {
  const atHome = row.home === tableOid;
  const onView = row.home !== null && relations.has(row.home);
  switch (row.catalog) {
    case 'pg_class':
      return relationKind(row);
    case 'pg_constraint':
      return row.contype === 'f' ? 'foreign-key-in' : 'other';
    case 'pg_trigger':
      if (atHome) return row.isConstraintTrigger ? 'constraint-trigger' : 'trigger';
      return onView ? 'view-trigger' : 'trigger-elsewhere';
    case 'pg_rewrite':
      if (atHome) return 'rule';
      return onView ? 'view-rule' : 'rule-elsewhere';
    case 'pg_policy':
      return atHome ? 'policy' : 'policy-elsewhere';
    case 'pg_proc':
      if (row.usesRowType) return 'function-row-type';
      return row.hasSqlBody ? 'function-body' : 'other';
    case 'pg_type':
      return 'row-type';
    case 'pg_attrdef':
      return 'default-elsewhere';
    case 'pg_statistic_ext':
      return 'extended-statistics';
    case 'pg_publication_rel':
      // Of another table's rows, by a filter that names this one.
      return atHome ? 'publication' : 'other';
    default:
      return 'other';
  }
}

function relationKind({ relkind, objsubid }: DependentRow): DependentKind {
  if (relkind === 'v') return 'view';
  if (relkind === 'm') return 'materialized-view';
  return objsubid > 0 || relkind === 'c' ? 'row-type-column' : 'other';
}

const kindOrder = Object.keys(dependentKinds);

function inOrder(dependents: readonly Dependent[]): Dependent[] {
  return dependents.toSorted(
    (a, b) => kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind) || (a.name < b.name ? -1 : 1),
  );
}
