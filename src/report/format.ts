/** Numbers for people. What is not known is said, never shown as 0. */
import prettyBytes from 'pretty-bytes';
import prettyMilliseconds from 'pretty-ms';

/** 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1 row`, `2 rows`; the plural of a word that does not just take an s is given. */
export function counted(value: number, word: string, plural = `${word}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? word : plural}`;
}

/** Binary units under PostgreSQL's names: people compare these figures with `pg_size_pretty`. Three digits. */
export function bytes(value: number): string {
  return prettyBytes(value, { binary: true }).replace('iB', 'B').replace('KB', 'kB');
}

/** `850ms`, `11.2s`, `2m 5s`, `3h 12m`: never more than two units. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 60) return prettyMilliseconds(Math.round(seconds * 10) * 100, { secondsDecimalDigits: 1 });
  return prettyMilliseconds(Math.round(seconds) * 1000, { unitCount: 2, secondsDecimalDigits: 0 });
}

/** `45s`, `3h`, `12d`: an estimate, in one unit. */
export function roughDuration(seconds: number): string {
  return prettyMilliseconds(Math.round(seconds) * 1000, { compact: true });
}

/** `3.1 ms`: holds are short, and a tenth of a millisecond is worth telling. */
export function milliseconds(value: number): string {
  return value < 100 ? `${value.toFixed(1)} ms` : `${count(value)} ms`;
}

/** `0:07`, `12:30`, `1:02:03`: for a clock that runs. */
export function clock(seconds: number): string {
  return prettyMilliseconds(Math.floor(seconds) * 1000, { colonNotation: true, secondsDecimalDigits: 0 });
}

/** Rounded down: 100 % is said only when all of it is done. */
export function percent(done: number, total: number): number {
  return total <= 0 ? 100 : Math.min(100, Math.floor((done / total) * 100));
}
