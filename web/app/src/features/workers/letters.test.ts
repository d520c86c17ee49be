import { expect, it } from 'vitest';
import { countByCode, type Letter } from './letters';

it('counts the causes, the most frequent first', () => {
  const letters = ['storage_failed', 'engine_failed', 'bad_audio', 'engine_failed'].map(
    (code) => ({ code }) as Letter,
  );
  expect(countByCode(letters)).toEqual([
    ['engine_failed', 2],
    ['bad_audio', 1],
    ['storage_failed', 1],
  ]);
});
