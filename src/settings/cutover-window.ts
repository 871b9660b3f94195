/** When the swap may be tried: a time of day, in a time zone. Pure. */
import { UsageError } from '../errors.js';

export interface CutoverWindow {
  /** As the user gave it. */
  readonly text: string;
  /** Minutes of the day; `to` below `from` goes over midnight. */
  readonly from: number;
  readonly to: number;
  readonly zone: string;
}

const minuteMs = 60_000;
const dayMinutes = 24 * 60;

/** `02:00-04:00 Europe/Berlin`; without a zone UTC. @throws UsageError `bad-cutover-window` */
export function cutoverWindow(text: string): CutoverWindow {
  const found = /^\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?:\s+(\S+))?\s*$/.exec(text);
  const [, fromHour = '', fromMinute = '', toHour = '', toMinute = '', zone = 'UTC'] = found ?? [];
  const [from, to] = [minutes(fromHour, fromMinute), minutes(toHour, toMinute)];
  if (found === null || from === null || to === null || from === to || !isZone(zone)) {
    throw new UsageError('bad-cutover-window', `the cutover window "${text}" cannot be read`, {
      hint: 'HH:MM-HH:MM and a time zone: "02:00-04:00 Europe/Berlin"',
    });
  }
  return { text: text.trim(), from, to, zone };
}

/** What `cutoverWindow` makes, as a program may give it. */
export function isCutoverWindow(value: unknown): value is CutoverWindow {
  if (typeof value !== 'object' || value === null) return false;
  const { text, from, to, zone } = value as Partial<Record<keyof CutoverWindow, unknown>>;
  const isMinute = (minute: unknown): boolean =>
    Number.isInteger(minute) && Number(minute) >= 0 && Number(minute) < dayMinutes;
  return (
    typeof text === 'string' &&
    isMinute(from) &&
    isMinute(to) &&
    from !== to &&
    typeof zone === 'string' &&
    isZone(zone)
  );
}

export function isOpen({ from, to, zone }: CutoverWindow, now: Date): boolean {
  const at = minuteOfDay(zone, now);
  return from < to ? at >= from && at < to : at >= from || at < to;
}

/** Milliseconds until it opens; 0 while it is open. */
export function untilOpen(window: CutoverWindow, now: Date): number {
  return untilThat(window, now, true);
}

/** Milliseconds until it closes; 0 while it is closed. */
export function remaining(window: CutoverWindow, now: Date): number {
  return untilThat(window, now, false);
}

/** By minutes: no arithmetic is right on the days when clocks are changed. */
function untilThat(window: CutoverWindow, now: Date, open: boolean): number {
  if (isOpen(window, now) === open) return 0;
  const nextMinute = Math.floor(now.getTime() / minuteMs) * minuteMs + minuteMs;
  for (let step = 0; step <= 2 * dayMinutes; step += 1) {
    const at = nextMinute + step * minuteMs;
    if (isOpen(window, new Date(at)) === open) return at - now.getTime();
  }
  // A window that the clock jumps over on this day opens on the next.
  return 2 * dayMinutes * minuteMs;
}

function minutes(hour: string, minute: string): number | null {
  const [h, m] = [Number(hour), Number(minute)];
  return h <= 24 && m < 60 && h * 60 + m <= dayMinutes ? (h * 60 + m) % dayMinutes : null;
}

function isZone(zone: string): boolean {
  try {
    formatter(zone);
    return true;
  } catch {
    return false;
  }
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formatters.set(zone, made);
  return made;
}

function minuteOfDay(zone: string, at: Date): number {
  const [hour = '0', minute = '0'] = formatter(zone).format(at).split(':');
  return Number(hour) * 60 + Number(minute);
}
