import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { groupName, ownerOf } from './identity';

const jwt = (claims: object) => `e30.${btoa(JSON.stringify(claims)).replace(/\+/g, '-').replace(/=/g, '')}.x`;

beforeEach(() => {
  vi.stubGlobal('navigator', { locks: {} });
});
afterEach(() => vi.unstubAllGlobals());

test.each([
  ['a JWT', jwt({ sub: 'ann' }), 'ann'],
  ['one with letters beyond ASCII', `e30.${btoa(unescape(encodeURIComponent('{"sub":"安"}')))}.x`, '安'],
  ['one without a subject', jwt({}), null],
  ['an API key', 'llk_0123', null],
  ['nothing', '', null],
])('the owner of %s', (_, token, owner) => expect(ownerOf(token)).toBe(owner));

test('tokens of one owner give one name, and no part of them is in it', async () => {
  const names = await Promise.all([1, 2].map((exp) => groupName('', jwt({ sub: 'ann', exp }))));
  expect(names[0]).toBe(names[1]);
  expect(names[0]).toMatch(/^lingoloop-[0-9a-f]{64}$/);
});

test('owners, servers and keys have different names', async () => {
  const names = await Promise.all([
    groupName('', jwt({ sub: 'ann' })),
    groupName('', jwt({ sub: 'bob' })),
    groupName('https://other.example', jwt({ sub: 'ann' })),
    groupName('', 'llk_1'),
    groupName('', 'llk_2'),
  ]);
  expect(new Set(names).size).toBe(5);
});

test('where there are no locks nothing is shared', async () => {
  vi.stubGlobal('navigator', {});
  expect(await groupName('', jwt({ sub: 'ann' }))).toBeNull();
});
