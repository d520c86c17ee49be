import { expect, it } from 'vitest';
import { ownPath } from './oidc';

it.each([
  ['/runs/x?find=a#t=3', '/runs/x?find=a#t=3'],
  ['//elsewhere.example', '/'],
  ['/\\elsewhere.example', '/'],
  ['https://elsewhere.example', '/'],
  [undefined, '/'],
])('goes from %s to %s', (wanted, path) => {
  expect(ownPath(wanted)).toBe(path);
});
