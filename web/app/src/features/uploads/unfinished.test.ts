import { beforeEach, expect, it, vi } from 'vitest';
import { newUpload, type Upload } from './upload';

const upload: Upload = {
  ...newUpload(
    { kind: 'file', file: new File(['abc'], 'a.wav', { lastModified: 7 }), onDisk: true },
    { language: 'en' },
  ),
  address: 'https://here/api/uploads/1',
  sent: 2,
};

/** The module as another page, opened later, has it. */
async function anotherPage() {
  vi.resetModules();
  return import('./unfinished');
}

beforeEach(() => localStorage.clear());

it('is offered to the next page of its owner', async () => {
  const before = await anotherPage();
  before.keep(upload, 'ann');
  const after = await anotherPage();
  expect(await after.abandoned('bo')).toEqual([]);
  const { source: _, ...rest } = upload;
  expect(await after.abandoned('ann')).toEqual([{ ...rest, source: null, state: 'missing' }]);
  after.forget(upload.id);
  expect(await after.abandoned('ann')).toEqual([]);
});

it('is offered on the same page to its owner who has signed in again', async () => {
  const here = await anotherPage();
  here.keep(upload, 'ann');
  const { page } = JSON.parse(localStorage.getItem(`lingoloop.upload.${upload.id}`) ?? '');
  const locks = { query: async () => ({ held: [{ name: page }] }), request: async () => {} };
  vi.stubGlobal('navigator', { ...navigator, locks });
  expect(await here.abandoned('ann')).toMatchObject([{ id: upload.id, state: 'missing' }]);
  vi.unstubAllGlobals();
});

it('is not offered while the page that is at it lives', async () => {
  const before = await anotherPage();
  before.keep(upload, 'ann');
  const { page } = JSON.parse(localStorage.getItem(`lingoloop.upload.${upload.id}`) ?? '');
  const locks = { query: async () => ({ held: [{ name: page }] }), request: async () => {} };
  vi.stubGlobal('navigator', { ...navigator, locks });
  expect(await (await anotherPage()).abandoned('ann')).toEqual([]);
  vi.unstubAllGlobals();
});

it('is forgotten after a week, and where it cannot be read', async () => {
  const before = await anotherPage();
  before.keep(upload, 'ann');
  localStorage.setItem('lingoloop.upload.x', '{');
  vi.setSystemTime(Date.now() + 8 * 24 * 3600 * 1000);
  expect(await (await anotherPage()).abandoned('ann')).toEqual([]);
  expect(localStorage).toHaveLength(0);
  vi.useRealTimers();
});

it('is taken over by another page that writes it or ends it, not by this one', async () => {
  const here = await anotherPage();
  here.keep(upload, 'ann');
  const key = `lingoloop.upload.${upload.id}`;
  const mine = localStorage.getItem(key);
  expect(here.takenOver({ key, newValue: mine })).toBeNull();
  expect(here.takenOver({ key, newValue: null })).toBe(upload.id);
  (await anotherPage()).keep(upload, 'ann');
  expect(here.takenOver({ key, newValue: localStorage.getItem(key) })).toBe(upload.id);
  expect(here.takenOver({ key: 'another', newValue: null })).toBeNull();
});
