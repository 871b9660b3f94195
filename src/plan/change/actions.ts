/** The actions of ALTER TABLE and ALTER INDEX that a shape can hold. */
import type { AlterTableCmd, AlterTableType, Constraint, Node } from 'libpg-query';
import type { Refusal } from '../../errors.js';
import { expressionAfter } from '../../sql/expression-text.js';
import { columnReferences } from '../../sql/column-references.js';
import { rangeReference } from '../../sql/retarget.js';
import { stringList } from '../../sql/syntax-tree.js';
import { oneLine, splitActions } from '../../sql/split-actions.js';
import type { Action, ActionKind, UserExpression } from './types.js';
import { unsupportedAction } from './unsupported.js';

/** What we do, with the words for it. Anything not in here is refused. */
const supported = {
  AT_AddColumn: 'add column',
  AT_DropColumn: 'drop column',
  AT_AlterColumnType: 'alter type',
  AT_ColumnDefault: 'default',
  AT_SetNotNull: 'set not null',
  AT_DropNotNull: 'drop not null',
  AT_SetExpression: 'set expression',
  AT_DropExpression: 'drop expression',
  AT_AddIdentity: 'identity',
  AT_SetIdentity: 'identity',
  AT_DropIdentity: 'identity',
  AT_SetStatistics: 'statistics',
  AT_SetOptions: 'column options',
  AT_ResetOptions: 'column options',
  AT_SetStorage: 'storage',
  AT_SetCompression: 'compression',
  AT_AddConstraint: 'add constraint',
  AT_DropConstraint: 'drop constraint',
  AT_AlterConstraint: 'alter constraint',
  AT_ValidateConstraint: 'validate constraint',
  AT_SetRelOptions: 'options',
  AT_ResetRelOptions: 'options',
  AT_SetTableSpace: 'tablespace',
  AT_SetLogged: 'persistence',
  AT_SetUnLogged: 'persistence',
  AT_SetAccessMethod: 'access method',
  AT_ClusterOn: 'cluster',
  AT_DropCluster: 'cluster',
  AT_ReplicaIdentity: 'replica identity',
} as const satisfies Partial<Record<AlterTableType, ActionKind>>;

export interface ReadActions {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
}

/** @param commands `cmds` of an AlterTableStmt whose text is `text` */
export function alterTableActions(text: string, commands: readonly Node[]): ReadActions {
  const read = splitActions(text, commands).map((piece, index) => {
    const command = commands[index];
    if (command === undefined || !('AlterTableCmd' in command)) throw new Error(`not an action: ${piece}`);
    return readAction(piece, command.AlterTableCmd);
  });
  return {
    actions: read.flatMap(({ action }) => (action === undefined ? [] : [action])),
    refusals: read.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal])),
  };
}

function readAction(piece: string, command: AlterTableCmd): { action?: Action; refusal?: Refusal } {
  const label = oneLine(piece);
  const { subtype } = command;
  if (subtype === undefined || !(subtype in supported)) {
    return { refusal: unsupportedAction(subtype ?? 'AT_ReAddStatistics', label) };
  }
  const constraints = constraintsOf(command);
  const kind = supported[subtype as keyof typeof supported];
  const added =
    kind === 'add column'
      ? constraints.find(({ contype }) => contype === 'CONSTR_DEFAULT')?.raw_expr
      : undefined;
  return {
    action: {
      kind,
      label,
      column: columnOf(command),
      constraint: constraintOf(command),
      using: kind === 'alter type' ? expression('using', piece, columnDef(command)?.raw_default) : null,
      default: expression('default', piece, added),
      ...referencesIn(constraints),
      ...sequencesIn(constraints),
      ...(kind === 'options' ? { options: optionNames(command) } : {}),
    },
  };
}

function expression(keyword: string, piece: string, tree: Node | undefined): UserExpression | null {
  if (tree === undefined) return null;
  const text = expressionAfter(keyword, piece, tree);
  if (text === null) throw new Error(`cannot find the expression after ${keyword} in: ${piece}`);
  return { text, references: columnReferences(tree) };
}

function columnDef(
  command: AlterTableCmd,
): { colname?: string; raw_default?: Node; constraints?: Node[] } | null {
  return command.def !== undefined && 'ColumnDef' in command.def ? command.def.ColumnDef : null;
}

/** The constraint of ADD CONSTRAINT, or those in the definition of ADD COLUMN. */
function constraintsOf(command: AlterTableCmd): Constraint[] {
  if (command.def !== undefined && 'Constraint' in command.def) return [command.def.Constraint];
  return (columnDef(command)?.constraints ?? []).flatMap((node) =>
    'Constraint' in node ? [node.Constraint] : [],
  );
}

function referencesIn(constraints: readonly Constraint[]): Pick<Action, 'references'> {
  const references = constraints.flatMap(({ contype, pktable }) => {
    const reference = contype === 'CONSTR_FOREIGN' ? rangeReference(pktable) : null;
    return reference === null ? [] : [reference];
  });
  return references.length === 0 ? {} : { references };
}

function optionNames({ def }: AlterTableCmd): string[] {
  const items = def !== undefined && 'List' in def ? (def.List.items ?? []) : [];
  return items.flatMap((item) =>
    'DefElem' in item && item.DefElem.defname !== undefined ? [item.DefElem.defname] : [],
  );
}

/** `SEQUENCE NAME app.x_seq`, as a dump has it. */
function sequencesIn(constraints: readonly Constraint[]): Pick<Action, 'sequences'> {
  const sequences = constraints.flatMap(({ contype, options }) => {
    if (contype !== 'CONSTR_IDENTITY') return [];
    return (options ?? []).flatMap((option) => {
      const named =
        'DefElem' in option && option.DefElem.defname === 'sequence_name' ? option.DefElem.arg : null;
      const names = named != null && 'List' in named ? stringList(named.List.items) : null;
      const [schema, name, ...more] = names ?? [];
      return schema === undefined || name === undefined || more.length > 0 ? [] : [{ schema, name }];
    });
  });
  return sequences.length === 0 ? {} : { sequences };
}

function columnOf(command: AlterTableCmd): string | null {
  switch (command.subtype) {
    case 'AT_AddColumn':
      return columnDef(command)?.colname ?? null;
    case 'AT_DropConstraint':
    case 'AT_ValidateConstraint':
    case 'AT_ClusterOn':
    case 'AT_SetTableSpace':
    case 'AT_SetAccessMethod':
      return null;
    default:
      return command.name ?? null;
  }
}

function constraintOf(command: AlterTableCmd): string | null {
  const { def } = command;
  if (command.subtype === 'AT_DropConstraint' || command.subtype === 'AT_ValidateConstraint')
    return command.name ?? null;
  if (command.subtype === 'AT_AddConstraint' && def !== undefined && 'Constraint' in def)
    return def.Constraint.conname ?? null;
  if (def !== undefined && 'ATAlterConstraint' in def) return def.ATAlterConstraint.conname ?? null;
  return null;
}
