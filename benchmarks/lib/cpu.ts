/** Processor time, and memory, of processes on this machine, by what they do: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
import { readFileSync } from 'node:fs';
import type pg from 'pg';

/** Ticks of /proc a second, on every Linux that Node runs on. */
const ticks = 100;

interface ProcessTime {
  readonly role: string;
  readonly seconds: number;
}

/** By process id. */
export type CpuTimes = ReadonlyMap<number, ProcessTime>;

/** Of the server's processes by what they are, and of `others` by their names. Empty where there is no /proc. */
export async function readCpu(
  client: pg.Client,
  others: Readonly<Record<string, number>> = {},
): Promise<CpuTimes> {
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
  return new Map(
    pids.flatMap(({ pid, role }) => {
      const seconds = secondsOf(pid);
      return seconds === null ? [] : [[pid, { role, seconds }]];
    }),
  );
}

/** @returns seconds, by role, of those that were there at the end */
export function cpuBetween(before: CpuTimes, after: CpuTimes): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [pid, { role, seconds }] of after)
    sums[role] = (sums[role] ?? 0) + seconds - (before.get(pid)?.seconds ?? 0);
  return sums;
}

/** In user and system mode; null where it is gone. What stands in parentheses may have spaces. */
function secondsOf(pid: number): number | null {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const [user = 0, system = 0] = line
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / ticks;
}

/** The most memory that a process had in RAM; null where there is no /proc. */
export function peakBytesOf(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}
