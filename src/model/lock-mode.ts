/** Table-level lock modes: which exclude which. https://www.postgresql.org/docs/current/explicit-locking.html */

/** From weakest to strongest. */
export const lockModes = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;

export type LockMode = (typeof lockModes)[number];

/** What somebody else can hold and be in our way with: `SI READ` is what SERIALIZABLE leaves, `snapshot` is none of these locks. */
export type HeldMode = LockMode | 'SI READ' | 'snapshot';

const excluded: Readonly<Record<LockMode, readonly LockMode[]>> = {
  'ACCESS SHARE': ['ACCESS EXCLUSIVE'],
  'ROW SHARE': ['EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'ROW EXCLUSIVE': ['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE UPDATE EXCLUSIVE': [
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  SHARE: ['ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE ROW EXCLUSIVE': [
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  EXCLUSIVE: [
    'ROW SHARE',
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  'ACCESS EXCLUSIVE': lockModes,
};

/** Must one who asks for `asked` wait while another holds `held`? What is no lock mode (`SI READ`) excludes nobody. */
export function conflicts(asked: LockMode, held: HeldMode): boolean {
  return (excluded[asked] as readonly HeldMode[]).includes(held);
}

/** Of several; the weakest that there is for none. */
export function strongestOf(modes: readonly LockMode[]): LockMode {
  return lockModes.findLast((mode) => modes.includes(mode)) ?? 'ACCESS SHARE';
}

const byServerName: ReadonlyMap<string, LockMode> = new Map(
  lockModes.map((mode) => [serverName(mode), mode]),
);

/** `ACCESS SHARE`, as people write it, to `AccessShareLock`, as pg_locks has it. */
function serverName(mode: LockMode): string {
  const words = mode.toLowerCase().split(' ');
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}Lock`;
}

/** Of `pg_locks.mode`; null for what is no lock mode (`SIReadLock`). */
export function lockModeOf(name: string): LockMode | null {
  return byServerName.get(name) ?? null;
}

export function heldModeOf(name: string): HeldMode {
  return lockModeOf(name) ?? 'SI READ';
}

/** What a lock means for an application: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES */
export type Blocked = 'nothing' | 'writes' | 'reads and writes' | 'ddl';

export function blockedBy(mode: LockMode): Blocked {
  if (conflicts('ACCESS SHARE', mode)) return 'reads and writes';
  if (conflicts('ROW EXCLUSIVE', mode)) return 'writes';
  return mode === 'SHARE UPDATE EXCLUSIVE' ? 'ddl' : 'nothing';
}
