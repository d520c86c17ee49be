import { expect, it } from 'vitest';
import { stamp, whyNot } from './microphone';

it('writes moments that may stand in a file name', () => {
  expect(stamp(new Date(2026, 0, 2, 3, 4))).toBe('2026-01-02 03.04');
});

it.each([
  ['NotAllowedError', 'denied'],
  ['NotFoundError', 'none'],
  ['NotReadableError', 'busy'],
  ['SecurityError', 'insecure'],
  ['OverconstrainedError', 'failed'],
])('tells %s as %s', (name, told) => {
  expect(whyNot(new DOMException('', name))).toBe(told);
});
