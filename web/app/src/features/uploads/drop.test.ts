import { expect, it } from 'vitest';
import { droppedIn } from './drop';

const item = (kind: string, name: string, isDirectory = false) => ({
  kind,
  getAsFile: () => new File([], name),
  webkitGetAsEntry: () => ({ isDirectory }),
});

it('tells files from folders and text', () => {
  const items = [
    item('file', 'a.wav'),
    item('string', 'text'),
    item('file', 'folder', true),
    item('file', 'b.wav'),
  ];
  const { files, folders } = droppedIn({ items: items as never });
  expect(files.map(({ name }) => name)).toEqual(['a.wav', 'b.wav']);
  expect(folders).toBe(1);
});
