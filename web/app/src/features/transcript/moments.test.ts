import { expect, it } from 'vitest';
import { momentHash, momentOf } from './moments';

it.each([
  ['#t=12.3', 12.3],
  ['#t=0', 0],
  ['#t=36000', 36000],
  ['#t=', null],
  ['#t=-1', null],
  ['#t=1e9', null],
  ['#other', null],
  ['', null],
])('%j is the moment %s', (hash, moment) => {
  expect(momentOf(hash)).toBe(moment);
});

it.each([
  [12.345, '#t=12.3'],
  [0, '#t=0'],
  [-1, '#t=0'],
])('%f is written %s', (seconds, hash) => {
  expect(momentHash(seconds)).toBe(hash);
});
