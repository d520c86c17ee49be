import { expect, it } from 'vitest';
import { addressIn } from './address';

it.each([
  [' https://example.org/a b.mp3\n', 'https://example.org/a%20b.mp3'],
  ['http://例子.中国/录音.m4a', 'http://xn--fsqu00a.xn--fiqs8s/%E5%BD%95%E9%9F%B3.m4a'],
  ['example.org/a.mp3', null],
  ['ftp://example.org/a.mp3', null],
  ['javascript:alert(1)', null],
  ['', null],
])('in %j is %j', (text, address) => {
  expect(addressIn(text)).toBe(address);
});
