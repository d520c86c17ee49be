import { beforeEach, expect, it } from 'vitest';
import { pastedToken, takeCode } from './entrance';

it.each([
  ['abc.def.ghi', 'abc.def.ghi'],
  ['  abc.def.ghi\n', 'abc.def.ghi'],
  ['abc.\n  def.ghi', 'abc.def.ghi'],
  ['Bearer abc.def.ghi', 'abc.def.ghi'],
  ['Authorization: Bearer abc.def.ghi', 'abc.def.ghi'],
  ['"abc.def.ghi"', 'abc.def.ghi'],
])('reads %j as a token', (pasted, token) => {
  expect(pastedToken(pasted)).toBe(token);
});

beforeEach(() => history.replaceState(null, '', '/sign-in'));

it('takes the code out of the address', () => {
  history.replaceState(null, '', '/sign-in#code=abc-123');
  expect(takeCode()).toBe('abc-123');
  expect(location.hash).toBe('');
  expect(takeCode()).toBeNull();
});
