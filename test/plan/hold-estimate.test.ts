import { expect, test } from 'vitest';
import type { ForeignKey } from '../../src/model/definitions.js';
import { advisedMaxHoldMs, estimateHoldMs, isTight } from '../../src/plan/inventory/hold-estimate.js';
import { noDefinitions } from './shapes.js';

const withKeys = (count: number): number =>
  estimateHoldMs({
    ...noDefinitions,
    foreignKeysIn: Array.from({ length: count }, () => ({}) as ForeignKey),
  });

test('the estimate is near what was measured', () => {
  for (const [keys, measured] of [
    [3, 3.4],
    [50, 33],
    [300, 187],
    [600, 540],
  ] as const) {
    expect(withKeys(keys) / measured).toBeGreaterThan(0.7);
    expect(withKeys(keys) / measured).toBeLessThan(1.5);
  }
});

test('a budget is too small when a busier machine would exceed it', () => {
  expect(isTight(withKeys(300), 500)).toBe(false);
  expect(isTight(withKeys(500), 500)).toBe(true);
  expect(isTight(withKeys(750), advisedMaxHoldMs(withKeys(750)))).toBe(false);
  expect(advisedMaxHoldMs(1_000_000)).toBe(60_000);
});
