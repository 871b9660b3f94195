/**
 * How what is ours is told from what is a user's: a comment on each object that says which migration made it, by its number
 * and by an identity that no other migration has, in this database or in any other. A name proves nothing: users may
 * have the same one, and a dump that is restored elsewhere brings names without what they meant. The user's own tables carry no
 * mark; they are known by their OIDs, and the shadow and the old table also by lying in a marked schema.
 */
import type { Direction } from '../model/direction.js';
import { literal } from './quote.js';

export interface MigrationIdentity {
  readonly id: number;
  /** A UUID. */
  readonly identity: string;
}

/** `back`: for the way back. */
export type MarkedRole = 'shadow' | 'old table' | CaptureRole | `${CaptureRole} back`;

type CaptureRole = 'change log' | 'capture';

export function captureRole(role: CaptureRole, direction: Direction): MarkedRole {
  return direction === 'back' ? `${role} back` : role;
}

/** Of a mark of a capture. */
export function directionOf(role: string): Direction {
  return role.endsWith(' back') ? 'back' : 'forward';
}

const prefix = 'pg-ghost: migration ';

export function markOf({ id, identity }: MigrationIdentity, role: MarkedRole): string {
  return `${prefix}${id}, ${role}, ${identity}`;
}

export interface SlotOwner {
  readonly identity: string;
  /** Of the names of what is of one table of the migration. */
  readonly suffix: string;
}

/** A slot can have no comment: its name says all of it. */
export function slotName({ suffix, identity }: SlotOwner): string {
  return `${slotPrefix}${suffix}_${identity.replaceAll('-', '')}`;
}

const slotPrefix = 'ghost_';

/** A condition: a name is that of a slot of this migration; both are expressions. */
export function isSlotOfSql(name: string, identity: string): string {
  // What earlier versions have begun has no identity, and no slot.
  return `(${identity} <> '' and ${name} ~ ('^${slotPrefix}[0-9]{1,9}(_[0-9]+)?_' || replace(${identity}, '-', '') || '$'))`;
}

/** What the name of a slot says, as a text array: the number of the migration and its identity; null for any other name. */
export function slotPartsSql(name: string): string {
  return `(
    select array[part[1], part[2]::uuid::text]
    from regexp_match(${name}, '^${slotPrefix}([0-9]{1,9})(?:_[0-9]+)?_([0-9a-f]{32})$') as part
    where part is not null
  )`;
}

/** For the statement that ends in `is`: `comment on schema "ghost_new_7" is ...`. */
export function commentStatement(object: string, mark: string): string {
  return `comment on ${object} is ${literal(mark)}`;
}

/** SQL that is true for a comment (an expression) that is a mark of any migration. */
export function isMarkSql(comment: string): string {
  return `coalesce(starts_with(${comment}, '${prefix}'), false)`;
}

/** The three parts of a mark, as a text array; null for any other comment. */
export function markPartsSql(comment: string): string {
  return `regexp_match(${comment}, '^${prefix}([0-9]{1,9}), ([a-z ]+), ([0-9a-f-]{36})$')`;
}
