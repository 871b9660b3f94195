/** Figures for people (one table) and for programs (one JSON file). */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname } from 'node:path';
import Table from 'cli-table3';

/**
 * One line of the table.
 *
 * @typedef {object} Line
 * @property {string} measure
 * @property {string} ours
 * @property {string} [beside] what it is compared with
 * @property {string} [ratio]
 * @property {string} [goal]
 * @property {boolean} [met]
 */

/**
 * What a benchmark gives: lines for people, and everything that was measured.
 *
 * @typedef {{ lines: readonly Line[], notes: readonly string[], data: object }} Result
 */

/**
 * @param {readonly Line[]} lines
 * @returns {string}
 */
export function renderLines(lines) {
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

/**
 * @param {string} file
 * @param {object} data
 */
export function writeJson(file, data) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(data, null, 2)}\n`);
}

/** @param {import('./statistics.mjs').Figure} figure */
export function seconds({ median, min, max }) {
  return `${median.toFixed(2)} s (${min.toFixed(2)}-${max.toFixed(2)})`;
}

/** @param {import('./statistics.mjs').Figure} figure */
export function milliseconds({ median, p95, max }) {
  return `${median.toFixed(1)} ms (p95 ${p95.toFixed(1)}, max ${max.toFixed(1)})`;
}

/** @param {import('./statistics.mjs').Figure} figure */
export function megabytes({ median, max }) {
  return `${(median / 1e6).toFixed(0)} MB (max ${(max / 1e6).toFixed(0)})`;
}

/** @param {import('./statistics.mjs').Figure} figure */
export function times({ median, min, max }) {
  return `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`;
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString('en-US');
}

/**
 * On stderr, where it does not end up in the table.
 *
 * @param {string} message
 */
export function progress(message) {
  process.stderr.write(`${message}\n`);
}
