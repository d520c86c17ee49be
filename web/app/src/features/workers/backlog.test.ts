import { expect, it } from 'vitest';
import { highest, type Sample } from './backlog';

const UNTIL = Date.parse('2026-11-27T12:00:00Z');
const sample = (at: string, ready: number): Sample => ({ at, ready, running: 0, secondsWaiting: 10 * ready });

it('takes the highest of each part, and knows nothing of the others', () => {
  const samples = [
    sample('2026-11-26T11:59:00Z', 99), // before the day
    sample('2026-11-26T12:00:00Z', 1),
    sample('2026-11-26T17:59:00Z', 4),
    sample('2026-11-26T17:59:30Z', 2),
    sample('2026-11-27T11:59:00Z', 0),
  ];
  expect(highest(samples, 'ready', UNTIL, 4)).toEqual([4, null, null, 0]);
  expect(highest(samples, 'secondsWaiting', UNTIL, 4)).toEqual([40, null, null, 0]);
});

it('counts a moment that is a little ahead as now', () => {
  expect(highest([sample('2026-11-27T12:00:02Z', 3)], 'ready', UNTIL, 24).at(-1)).toBe(3);
});
