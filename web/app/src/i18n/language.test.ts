import { expect, it } from 'vitest';
import { preferredLanguage } from './language';

it.each([
  [null, ['zh-TW', 'en'], 'zh'],
  [null, ['en-GB'], 'en'],
  [null, ['fr', 'zh'], 'zh'],
  [null, ['fr'], 'en'],
  ['en', ['zh-CN'], 'en'],
  ['xx', ['zh-CN'], 'zh'],
])('of %s and %s chooses %s', (kept, wanted, found) => {
  expect(preferredLanguage(kept, wanted)).toBe(found);
});
