/**
 * Loaded into the measured process: at its end, writes the peak of its resident memory in bytes to file descriptor 3.
 *
 * Linux says it in /proc. `resourceUsage` would too, but there counts what the parent had when it forked:
 * https://man7.org/linux/man-pages/man2/getrusage.2.html
 */
import { readFileSync, writeSync } from 'node:fs';

process.on('exit', () => writeSync(3, String(peakBytes())));

function peakBytes() {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
