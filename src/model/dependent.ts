/** What hangs on a table and is not part of its shape, and what becomes of each of it. */

/** Where an object is in the catalog: `pg_class` or `pg_rewrite` and the like, and its OID there. */
export interface CatalogObject {
  readonly catalog: string;
  readonly oid: number;
}

/** How an object is told. What PostgreSQL says of it may be in any language (`lc_messages`): shown, and never compared. */
export interface DependentName {
  /** As PostgreSQL describes it (`pg_describe_object`): `view app.open_orders`. */
  readonly name: string;
  /** The view through which it depends on the table, with its OID; null when it does so itself. */
  readonly via: { readonly oid: number; readonly name: string } | null;
  /** The extension that owns the object; such an object is not the user's to recreate. */
  readonly extension: string | null;
}

/**
 * Anything in the catalog that depends on the table, or that the table is part of, and that is not in its
 * `TableShape`: views, triggers, foreign keys, policies, publications, inheritance ...
 */
export interface Dependent extends CatalogObject, DependentName {
  /** What it is to the table; each is explained in `dependentKinds` (catalog/dependent-kinds.ts). */
  readonly kind: DependentKind;
  /** OIDs of the table's sequences, when it depends on nothing else of the table. */
  readonly sequences?: readonly number[];
}

export type DependentKind =
  | 'foreign-key-in'
  | 'foreign-key-out'
  | 'foreign-key-self'
  | 'trigger'
  | 'constraint-trigger'
  | 'trigger-elsewhere'
  | 'rule'
  | 'rule-elsewhere'
  | 'view'
  | 'materialized-view'
  | 'view-trigger'
  | 'view-rule'
  | 'row-level-security'
  | 'policy'
  | 'policy-elsewhere'
  | 'function-body'
  | 'function-row-type'
  | 'row-type-column'
  | 'row-type'
  | 'default-elsewhere'
  | 'extended-statistics'
  | 'publication'
  | 'publication-schema'
  | 'publication-all-tables'
  | 'subscription'
  | 'inheritance-parent'
  | 'inheritance-child'
  | 'partition-of'
  | 'partition'
  | 'partitioned-table'
  | 'typed-table'
  | 'extension-member'
  | 'depends-on-extension'
  | 'security-label'
  | 'other';

/** How it comes to the new table by itself, or stays what it is; the last two of a native change, which was tried with it or without. */
export const carriedHow = [
  'sequence-stays',
  'view-stays',
  'with-its-view',
  'row-security',
  'statistics',
  'extension-mark',
  'publishes-all-tables',
  'publishes-schema',
  'untouched',
  'untouched-untried',
] as const;
export type CarriedHow = (typeof carriedHow)[number];

/** What the swap makes of it; the last is taken off before a native change, and put back after it. */
export const recreatedHow = [
  'made',
  'made-with-firing',
  'rule-replaced',
  'view-replaced',
  'view-recreated',
  'materialized-view',
  'policy-altered',
  'function-replaced',
  'function-recreated',
  'default-set',
  'publication',
  'foreign-key-validated',
  'foreign-key-as-it-was',
  'security-label',
  'around-the-change',
] as const;
export type RecreatedHow = (typeof recreatedHow)[number];

/** Goes as it does natively. */
export const droppedHow = ['by-the-change', 'with-its-column'] as const;

export type DependentFate =
  | { readonly treatment: 'carried'; readonly how: CarriedHow }
  | { readonly treatment: 'recreated'; readonly how: RecreatedHow }
  | { readonly treatment: 'dropped'; readonly how: (typeof droppedHow)[number] }
  /** `why`: as in the plan's reasons; null where nothing was tried. */
  | { readonly treatment: 'refused'; readonly why: string | null };

export interface PlannedDependent extends CatalogObject, DependentName {
  readonly kind: DependentKind;
  readonly fate: DependentFate;
}

/** What such a publication does, for people: why it refuses a change, or what was allowed. */
export const publishes = {
  'publishes-all-tables':
    'it publishes the new table while it is built, and the change log: subscribers need tables of these names, or must ignore them',
  'publishes-schema':
    'it publishes the new table from the swap on, and its subscribers learn of that only by a refresh',
} as const satisfies Partial<Record<CarriedHow, string>>;

/** Equal for the same object in the same part, whatever language it is told in. */
export function identityOf({
  kind,
  catalog,
  oid,
}: Pick<PlannedDependent, 'kind' | 'catalog' | 'oid'>): string {
  return `${kind} ${catalog} ${oid}`;
}

/** For people: with the way by which it depends on the table. */
export function describeDependent({ name, via, extension }: DependentName): string {
  const path = via === null ? '' : ` (through ${via.name})`;
  return `${name}${path}${extension === null ? '' : ` (of extension ${extension})`}`;
}
