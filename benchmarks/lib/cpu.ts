/** Processor time of processes on this machine, by what they do: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
import { readFileSync } from 'node:fs';
import type pg from 'pg';

/** Ticks of /proc a second, on every Linux that Node runs on. */
const ticks = 100;

/** Seconds, by role. */
export type CpuTimes = Readonly<Record<string, number>>;

/** Of the server's processes by what they are, and of `others` by their names. null where there is no /proc, or the server is elsewhere. */
export async function readCpu(
  client: pg.Client,
  others: Readonly<Record<string, number>> = {},
): Promise<CpuTimes | null> {
  const { rows } = await client.query<{ pid: number; role: string }>(`
    select pid, case
      when backend_type = 'walsender' then 'walsender'
      when backend_type <> 'client backend' then 'other processes of the server'
      when application_name = 'pgbench' then 'the application''s backends'
      when application_name like 'pg-ghost % feed' then 'backend that writes keys'
      when application_name like 'pg-ghost %' and application_name <> 'pg-ghost benchmark' then 'other backends of pg-ghost'
      else 'others'
    end as role
    from pg_stat_activity`);
  const pids = [...rows, ...Object.entries(others).map(([role, pid]) => ({ pid, role }))];
  const times: Record<string, number> = {};
  try {
    for (const { pid, role } of pids) times[role] = (times[role] ?? 0) + secondsOf(pid);
  } catch {
    return null;
  }
  return times;
}

/** @returns microseconds for each transaction */
export function perTransaction(before: CpuTimes | null, after: CpuTimes | null, transactions: number) {
  if (before === null || after === null) return null;
  return Object.fromEntries(
    Object.entries(after).map(([role, now]) => [role, ((now - (before[role] ?? 0)) * 1e6) / transactions]),
  );
}

/** In user and system mode. What stands in parentheses may have spaces. */
function secondsOf(pid: number) {
  const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / ticks;
}
