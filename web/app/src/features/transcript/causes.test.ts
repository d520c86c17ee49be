import { expect, it } from 'vitest';
import { remedyOf } from './causes';

it.each([
  ['canceled', 'canceled'],
  ['not_audio', 'otherFile'],
  ['engine_failed', 'retry'],
  ['a code of tomorrow', 'retry'],
])('what to do about %s: %s', (code, remedy) => {
  expect(remedyOf(code)).toBe(remedy);
});
