import type { Refusal } from '../../errors.js';

const oldestVersion = 140000;

export function checkServer(server: { readonly version: number; readonly inRecovery: boolean }): Refusal[] {
  const refusals: Refusal[] = [];
  if (server.version < oldestVersion) {
    const major = Math.floor(server.version / 10_000);
    refusals.push({
      code: 'old-server',
      message: `the server is PostgreSQL ${major}; 14 or later is needed`,
    });
  }
  if (server.inRecovery) {
    refusals.push({
      code: 'in-recovery',
      message: 'the server is a standby, which cannot be written to',
      hint: 'connect to the primary',
    });
  }
  return refusals;
}
