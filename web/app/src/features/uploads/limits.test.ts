import { expect, it } from 'vitest';
import { refusal } from './limits';

const file = (size: number, type: string) => ({ size, type }) as File;
const limits = { uploadBytes: 1000, audioDurationMs: 1 };

it.each([
  [1000, 'audio/ogg', null],
  [1001, 'audio/ogg', 413],
  [1, 'video/mp4', null],
  [1, '', null],
  [1, 'application/octet-stream', null],
  [1, 'text/vnd.trolltech.linguist', null], // what some systems take a .ts video for
  [1, 'image/png', 415],
  [1, 'application/pdf', 415],
])('of %i bytes of %j the refusal is %s', (size, type, status) => {
  expect(refusal(file(size, type), limits)?.status ?? null).toBe(status);
});

it('leaves it to the server where the limit is not known', () => {
  expect(refusal(file(1e15, 'audio/ogg'), null)).toBeNull();
});
