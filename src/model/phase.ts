export const phases = [
  'prepare',
  'copy',
  'purge',
  'index',
  'catch-up',
  'settle',
  'verify',
  'cutover',
  'validate',
  'swapped',
  'finalized',
  'aborted',
] as const;

/** Where a migration stands; `validate` is never stored: the swap's own commit says `swapped`. The last three are ends: `swapped` still keeps the old table. */
export type Phase = (typeof phases)[number];
