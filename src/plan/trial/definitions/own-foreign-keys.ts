/**
 * The table's own foreign keys on a clone of it, while the user's statements change them there: PostgreSQL chooses the names,
 * finds the referenced columns, and says what cannot be. At their other end are stand-ins. When the change is made they
 * are read, and taken off again: on the shadow there is none before the swap.
 *
 * Where the request has nothing to do with constraints, nothing of that happens.
 */
import type { Definitions, ForeignKey } from '../../../model/definitions.js';
import { readForeignKeysOut } from '../../../catalog/definitions-of/foreign-keys.js';
import { withDeparseSettings } from '../../../catalog/deparse-settings.js';
import type { TableShape } from '../../../model/table-shape.js';
import type { Session } from '../../../db/session.js';
import { isServerError } from '../../../db/sqlstate.js';
import { addForeignKey, dropForeignKey } from '../../../ddl/foreign-key-sql.js';
import { qualified, sql } from '../../../sql/quote.js';
import type { QualifiedName } from '../../../model/name.js';
import type { ActionKind, ChangeStatement } from '../../change/types.js';
import { foreignKeyActions, referencesOf } from '../../change/foreign-key-actions.js';
import { retargetStatement } from '../../change/retarget-statement.js';
import type { CheckedForeignKey } from '../../../model/late-check.js';
import { referencedStandIn } from './attach-to-clone.js';
import {
  createStandIn,
  readReferencedTables,
  referenceKey,
  type ReferencedTable,
  type ReferencedTables,
} from './referenced-tables.js';

/** What may take the name of one, or take one along. */
const ofConstraints: ReadonlySet<ActionKind> = new Set(['add constraint', 'add column', 'drop constraint']);

export interface CloneWithKeys {
  readonly source: TableShape;
  /** Of the source: to other tables and to itself. */
  readonly foreignKeysOut: Definitions['foreignKeysOut'];
  readonly statements: readonly ChangeStatement[];
  readonly clone: QualifiedName & { readonly oid: number };
}

export interface ChangedForeignKeys {
  readonly foreignKeysOut: readonly ForeignKey[];
  /** Those that say more of the rows than before: new ones, and those that are validated now. */
  readonly checked: readonly CheckedForeignKey[];
}

export class OwnForeignKeys {
  /** Self-references by the OID that they have on the clone. */
  #attached = new Map<number, ForeignKey>();
  /** Those that cannot be made there, as they are: whoever makes them after the change says why. */
  #left: readonly ForeignKey[] = [];

  private constructor(
    private readonly session: Session,
    private readonly facts: CloneWithKeys,
    private readonly referenced: ReferencedTables,
    readonly areChanged: boolean,
  ) {}

  /** Makes the stand-ins of newly referenced tables, in the caller's transaction. */
  static async prepare(session: Session, facts: CloneWithKeys): Promise<OwnForeignKeys> {
    const { source, statements } = facts;
    const areChanged =
      foreignKeyActions(source, statements).size > 0 ||
      (facts.foreignKeysOut.length > 0 &&
        statements.some(({ actions }) => actions.some(({ kind }) => ofConstraints.has(kind))));
    const referenced = await readReferencedTables(session, areChanged ? referencesOf(statements) : []);
    const keys = new OwnForeignKeys(session, facts, referenced, areChanged);
    await session.batch(keys.#newStandIns().map(({ name, table }) => createStandIn(name, table)));
    return keys;
  }

  /** The user's statement, with the clone and the stand-ins in the place of the tables. */
  retarget(statement: ChangeStatement): string {
    const { source, clone } = this.facts;
    const places = new Map(
      [...this.referenced].map(([key, { oid }]) => [key, oid === source.oid ? clone : this.#standIn(oid)]),
    );
    return retargetStatement(statement, clone.schema, (reference) => places.get(referenceKey(reference)));
  }

  /** Names that the server's messages have, and those that the user knows. */
  get standIns(): readonly { readonly name: string; readonly of: string }[] {
    return this.#newStandIns().map(({ name, table }) => ({ name: name.name, of: table.name.name }));
  }

  /** As they are, on the unchanged clone. */
  async attach(): Promise<void> {
    if (!this.areChanged) return;
    const { clone, foreignKeysOut } = this.facts;
    const left: ForeignKey[] = [];
    for (const [index, key] of foreignKeysOut.entries()) {
      const isSelf = key.tableOid === key.referencesOid;
      const other = isSelf ? clone : this.#otherEnd(index);
      const isMade = await this.#attempt([
        ...(isSelf ? [] : [referencedStandIn(key, other)]),
        ...addForeignKey({ ...key, table: clone, references: other }, { notValid: !key.validated }),
      ]);
      if (!isMade) left.push(key);
    }
    this.#left = left;
    const made = await this.#read();
    this.#attached = new Map(
      made.flatMap(({ oid, name }) => {
        const original = foreignKeysOut.find((key) => key.name === name);
        return original === undefined ? [] : [[oid, original] as const];
      }),
    );
  }

  /** As the change leaves them; null where it does not touch them. */
  async read(): Promise<ChangedForeignKeys | null> {
    if (!this.areChanged) return null;
    const made = await this.#read();
    const operators = await this.#readOperators();
    const foreignKeysOut = made.map((key) => this.#asOnSource(key));
    return {
      foreignKeysOut: [...foreignKeysOut, ...this.#left],
      checked: foreignKeysOut.flatMap((key, index) => {
        const former = this.facts.foreignKeysOut.find(({ oid }) => oid === key.oid);
        const isProven = former !== undefined && former.validated && former.enforced;
        if (!key.validated || !key.enforced || isProven) return [];
        return [{ name: key.name, operators: operators.get(made[index]?.oid ?? 0) ?? [] }];
      }),
    };
  }

  /** What `attach` and the change made; and the stand-ins that `prepare` made, when nothing more is to be tried. */
  async takeOff({ withStandIns = false } = {}): Promise<void> {
    if (!this.areChanged) return;
    const { clone, foreignKeysOut } = this.facts;
    const others = foreignKeysOut.flatMap((key, index) =>
      key.tableOid === key.referencesOid || this.#left.includes(key) ? [] : [this.#otherEnd(index)],
    );
    const made = await this.#read();
    await this.session.batch([
      ...made.map((key) => dropForeignKey({ ...key, table: clone })),
      ...[...others, ...(withStandIns ? this.#newStandIns().map(({ name }) => name) : [])].map(
        (name) => `drop table ${qualified(name)}`,
      ),
    ]);
  }

  async #attempt(statements: readonly string[]): Promise<boolean> {
    try {
      await this.session.batch(['savepoint own_key', ...statements, 'release savepoint own_key']);
      return true;
    } catch (error) {
      if (!isServerError(error)) throw error;
      await this.session.batch(['rollback to savepoint own_key', 'release savepoint own_key']);
      return false;
    }
  }

  #asOnSource(key: ForeignKey): ForeignKey {
    const { source, clone, foreignKeysOut } = this.facts;
    const isSelf = key.referencesOid === clone.oid;
    const original = isSelf
      ? (this.#attached.get(key.oid) ??
        // Made again by PostgreSQL with the type of its column.
        foreignKeysOut.find(
          ({ name, tableOid, referencesOid }) => name === key.name && tableOid === referencesOid,
        ))
      : foreignKeysOut.find((_, index) => this.#otherEnd(index).name === key.references.name);
    const other = isSelf
      ? { oid: source.oid, name: source.name, partitioned: false, unlogged: source.unlogged }
      : original === undefined
        ? this.#newStandIns().find(({ name }) => name.name === key.references.name)?.table
        : {
            oid: original.referencesOid,
            name: original.references,
            partitioned: original.referencesPartitioned,
            unlogged: original.referencesUnlogged,
          };
    if (other === undefined) throw new Error(`what does foreign key ${key.name} reference?`);
    return {
      ...key,
      oid: original?.oid ?? noOid,
      tableOid: source.oid,
      table: source.name,
      tableOwner: source.owner,
      referencesOid: other.oid,
      references: other.name,
      referencesPartitioned: other.partitioned,
      referencesUnlogged: other.unlogged,
      disabled: original?.disabled ?? false,
    };
  }

  async #read(): Promise<ForeignKey[]> {
    return await withDeparseSettings(this.session, () =>
      readForeignKeysOut(this.session, this.facts.clone.oid),
    );
  }

  async #readOperators(): Promise<ReadonlyMap<number, readonly string[]>> {
    const rows = await this.session.rows<{ oid: number; operators: string[] }>({
      text: operatorsSql,
      values: [this.facts.clone.oid],
    });
    return new Map(rows.map(({ oid, operators }) => [oid, operators]));
  }

  #newStandIns(): { readonly name: QualifiedName; readonly table: ReferencedTable }[] {
    const tables = new Map([...this.referenced.values()].map((table) => [table.oid, table]));
    return [...tables.values()]
      .filter(({ oid }) => oid !== this.facts.source.oid)
      .map((table) => ({ name: this.#standIn(table.oid), table }));
  }

  #standIn(oid: number): QualifiedName {
    return { schema: this.facts.clone.schema, name: `ghost_referenced_${oid}` };
  }

  #otherEnd(index: number): QualifiedName {
    return { schema: this.facts.clone.schema, name: `ghost_carried_${index}` };
  }
}

/** Of one that is not there yet. */
const noOid = 0;

/** Each between the referenced column and the referencing one, as the foreign key compares them. */
const operatorsSql = sql`
  select con.oid, array(
    select 'operator(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
    from unnest(con.conpfeqop) with ordinality as k (oid, position)
    join pg_operator as o on o.oid = k.oid
    join pg_namespace as n on n.oid = o.oprnamespace
    order by k.position
  ) as operators
  from pg_constraint as con
  where con.conrelid = $1
    and con.contype = 'f'`;
