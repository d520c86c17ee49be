import { expect, it } from 'vitest';
import { Pace } from './pace';

it('forecasts from what was measured, and not before', () => {
  const pace = new Pace();
  pace.note(0, 0);
  expect(pace.secondsFor(1000)).toBeNull();
  expect(pace.note(50, 100)).toBe(false);
  pace.note(500, 1_000);
  expect(pace.secondsFor(1000)).toBeNull();
  pace.note(1000, 2_000);
  expect(pace.secondsFor(1000)).toBe(2);
});

it('follows a line that becomes slower', () => {
  const pace = new Pace();
  for (let second = 0; second <= 60; second++)
    pace.note(second < 20 ? 1000 * second : 20_000 + second, 1000 * second);
  expect(pace.secondsFor(10)).toBe(10);
});

it('begins anew where bytes were lost', () => {
  const pace = new Pace();
  pace.note(0, 0);
  pace.note(5000, 5_000);
  pace.note(1000, 6_000);
  expect(pace.secondsFor(1)).toBeNull();
});
