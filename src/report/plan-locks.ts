/**
 * The locks of one phase for people: what is locked alike is told once, and counted where there is much of it. A table with
 * 600 foreign keys has 1,800 locks. Pure.
 */
import { listsThem } from '../sql/few-names.js';
import type { LockRole } from '../model/lock-set.js';
import type { PlanLock } from './plan/locks.js';
import { paragraph } from './text-layout.js';

/** More of a kind are counted. */
const namedUpTo = 3;

const kinds: Readonly<Record<Exclude<LockRole, 'table'>, { readonly one: string; readonly many: string }>> = {
  view: { one: 'view', many: 'views' },
  'reading table': {
    one: 'a table whose policy or rule uses it:',
    many: 'tables whose policies or rules use it',
  },
  'referencing table': { one: 'referencing table', many: 'referencing tables' },
  sequence: { one: 'sequence', many: 'sequences' },
  'referenced table': { one: 'referenced table', many: 'referenced tables' },
};

/** One line or paragraph for each lock. */
export function allLocks(locks: readonly PlanLock[], margin: string, width: number): string[] {
  return locks.flatMap((lock) =>
    paragraph(margin, `${lock.mode} on ${lock.table}: ${effectOf(lock)}; ${lock.why}`, width, '  '),
  );
}

/** One paragraph for each mode: on what, and below it what that means. */
export function groupedLocks(locks: readonly PlanLock[], margin: string, width: number): string[] {
  return [...groups(locks, ({ mode }) => mode)].flatMap(([mode, group]) => {
    const lead = group.find(({ role }) => role === 'table') ?? group[0];
    if (lead === undefined) return [];
    const { subjects, isWhole } = subjectsOf(group);
    const on = subjects.map((subject) => `on ${subject}`);
    const last = on.pop() ?? '';
    const where = on.length === 0 ? last : `${on.join(', ')}, and ${last}`;
    const more = isWhole ? '' : `; ${listsThem}`;
    // What others are locked for says what they are.
    const reasons = new Set(group.filter(({ role }) => role === lead.role).map(({ why }) => why));
    const why = reasons.size === 1 ? `; ${lead.why}` : '';
    return [
      ...paragraph(margin, `${mode} ${where}${more}`, width, '  '),
      ...paragraph(`${margin}  `, effectOf(lead) + why, width),
    ];
  });
}

function subjectsOf(group: readonly PlanLock[]): { subjects: string[]; isWhole: boolean } {
  let isWhole = true;
  const subjects = [...groups(group, ({ role }) => role)]
    .toSorted(([a], [b]) => Number(b === 'table') - Number(a === 'table'))
    .map(([role, locks]) => {
      const names = [...new Set(locks.map(({ table }) => table))];
      if (role === 'table') return names.join(', ');
      const { one, many } = kinds[role];
      if (names.length > namedUpTo) {
        isWhole = false;
        return `${names.length.toLocaleString('en-US')} ${many}`;
      }
      return names.length === 1 ? `${one} ${names.join('')}` : `${many}: ${names.join(', ')}`;
    });
  return { subjects, isWhole };
}

function effectOf({ blocks, duration }: PlanLock): string {
  return `${blocks === 'ddl' ? 'blocks other DDL only' : `blocks ${blocks}`}, ${duration}`;
}

/** In the order in which the groups come. */
function groups<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const found = new Map<K, T[]>();
  for (const item of items) {
    const group = found.get(keyOf(item));
    if (group === undefined) found.set(keyOf(item), [item]);
    else group.push(item);
  }
  return found;
}
