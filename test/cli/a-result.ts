import type { MigrationResult } from '../../src/api/migrate.js';
import type { MigrationStatus } from '../../src/api/status.js';
import { aPlan } from '../report/a-plan.js';

export const aResult: MigrationResult = {
  id: 7,
  table: 'public.orders',
  old: 'ghost_old_7.orders',
  native: false,
  rows: 3_000_000,
  seconds: 11.2,
  holdMs: 3.1,
  plan: aPlan,
};

export const aStatus: MigrationStatus = {
  id: 7,
  phase: 'copy',
  table: 'public.orders',
  renamedTo: null,
  origin: 'here',
  shadow: 'ghost_new_7.orders',
  old: null,
  kept: null,
  window: null,
  capture: 'triggers',
  slot: null,
  percent: 52.1,
  rowsCopied: 1_560_000,
  backlog: 1204,
  runnerPid: 4711,
  paused: false,
  throttledBy: null,
  settings: null,
  error: null,
  verification: null,
  progress: null,
  locks: [],
  request: aPlan.request,
  createdAt: '2026-01-02 03:04:05+00',
  updatedAt: '2026-01-02 03:05:05+00',
  next: 'runs now, in backend 4711',
};
