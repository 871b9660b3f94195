/** Figures for people (one table) and for programs (one JSON file). */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname } from 'node:path';
import Table from 'cli-table3';
import type { Figure } from './statistics.js';

/**
 * One line of the table.
 */
/** One line of the table. */
export interface Line {
  readonly measure: string;
  readonly ours: string;
  /** What it is compared with */
  readonly beside?: string;
  readonly ratio?: string;
  readonly goal?: string;
  readonly met?: boolean;
}

/**
 * What a benchmark gives: lines for people, and everything that was measured.
 */
/** What a benchmark gives: lines for people, and everything that was measured. */
export interface Result {
  readonly lines: readonly Line[];
  readonly notes: readonly string[];
  readonly data: object;
}

/** Why there are no figures. */
export function notMeasured(why: string): Result {
  return { lines: [], notes: [why], data: { notMeasured: why } };
}

export function renderLines(lines: readonly Line[]): string {
  const rendered = new Table({
    head: ['', 'pg-ghost', 'beside it', 'ratio', 'goal'],
    style: { head: [], border: [], compact: true },
  });
  for (const { measure, ours, beside = '', ratio = '', goal = '', met } of lines) {
    const verdict = met === undefined ? '' : met ? ': met' : ': MISSED';
    rendered.push([measure, ours, beside, ratio, `${goal}${verdict}`]);
  }
  return rendered.toString();
}

/** No host name: these end up in the README. */
export function machineFacts() {
  const gigabytes = Math.round(os.totalmem() / 2 ** 30);
  return {
    cores: os.cpus().length,
    memory: `${gigabytes} GB`,
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
  };
}

export function writeJson(file: string, data: object) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(data, null, 2)}\n`);
}

export function seconds({ median, min, max }: Figure) {
  return `${median.toFixed(2)} s (${min.toFixed(2)}-${max.toFixed(2)})`;
}

export function milliseconds({ median, p95, max }: Figure) {
  return `${median.toFixed(1)} ms (p95 ${p95.toFixed(1)}, max ${max.toFixed(1)})`;
}

export function megabytes({ median, max }: Figure) {
  return `${(median / 1e6).toFixed(0)} MB (max ${(max / 1e6).toFixed(0)})`;
}

export function times({ median, min, max }: Figure) {
  return `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
}

export function count(number: number) {
  return number.toLocaleString('en-US');
}

/** On stderr, where it does not end up in the table. */
export function progress(message: string) {
  process.stderr.write(`${message}\n`);
}
