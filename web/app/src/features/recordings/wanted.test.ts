import { expect, it } from 'vitest';
import { readWanted } from './wanted';

it.each([
  ['', { q: '', status: '' }],
  ['q=+budget+&status=failed', { q: 'budget', status: 'failed' }],
  ['status=queued%2Cprocessing', { q: '', status: 'queued,processing' }],
  ['q=%E9%A2%84%E7%AE%97', { q: '预算', status: '' }],
  ['q=-.-&status=lost', { q: '', status: '' }],
])('of %s is wanted %o', (search, wanted) => {
  expect(readWanted(new URLSearchParams(search))).toEqual(wanted);
});
