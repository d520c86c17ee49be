import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { act, cleanup, render, screen } from '@testing-library/react';
import { createElement, type FunctionComponent, type ReactElement } from 'react';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventProvider } from './contexts/EventContext';
import { FakeEventSource } from './testing/browser';
import { done, told, update } from './testing/frames';
import { FakeApi } from './testing/server';

// The examples lie where their own imports lead to the pieces.
const FOLDER = join(import.meta.dirname, 'pages');
const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const GUIDE = join(import.meta.dirname, '../../../../shared/GUIDE.zh.md');
const [status, events] = examples(README);

function examples(text: string): [string, string] {
  const blocks = [...text.matchAll(/```jsx\n(import [^\n]* from '\.\.\/.*?)```/gs)].map(
    ([, block]) => block ?? '',
  );
  expect(blocks).toHaveLength(2);
  return blocks as [string, string];
}

/** Compile an example as it is: its imports, and its other lines inside a function. */
async function compiled<What>(name: string, example: string, begin: string, end: string): Promise<What> {
  const [imports, rest] = [/^import .*;\n/.exec(example)?.[0] ?? '', example.replace(/^import .*;\n/, '')];
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${name}.jsx`), `${imports}\n${begin}\n${rest.trim()}\n${end}\n`);
  return (await import(/* @vite-ignore */ `./pages/${name}.jsx`)).default;
}

let api: FakeApi;
beforeEach(() => {
  vi.stubGlobal('EventSource', FakeEventSource);
  FakeEventSource.opened = [];
  api = new FakeApi();
  api.set();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const settle = () => act(() => new Promise((resolve) => setTimeout(resolve, 20)));
const send = (frame: object, id: number) => act(async () => FakeEventSource.last.send(frame, id));
const show = (element: ReactElement) => render(<EventProvider token="llk_1">{element}</EventProvider>);

test.skipIf(!existsSync(GUIDE))('the examples are the guide’s, letter by letter', () => {
  expect([status, events]).toEqual(examples(readFileSync(GUIDE, 'utf8')));
});

test.each([
  [done(), 'log', '转录完成:', 'Transcribed'],
  [
    done({ status: 'failed', error: { code: 'not_audio', message: 'no sound' } }),
    'error',
    '转录失败:',
    'Failed: no sound',
  ],
] as const)('the example of TranscriptionStatus runs unchanged', async (end, way, text, shown) => {
  const said = vi.spyOn(console, way).mockImplementation(() => {});
  const example = await compiled<(runId: string) => ReactElement>(
    'Status',
    status,
    'export default (transcriptionRunId) => (',
    ');',
  );
  show(example('r1'));
  await settle();
  await send({ event: 'snapshot', items: [told()] }, 1);
  await send(end, 2);
  expect(said.mock.calls).toEqual([[text, expect.objectContaining({ event: 'done', runId: 'r1' })]]);
  expect(screen.getByRole('status').textContent).toBe(shown);
});

test('the example of useEvents runs unchanged', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  const example = await compiled<(runId: string) => Promise<{ unsubscribe: () => void; progress: object }>>(
    'Events',
    events,
    'export default async (runId) => {',
    'return { unsubscribe, progress };\n};',
  );
  let answer: ReturnType<typeof example> | undefined;
  const Page: FunctionComponent = () => {
    answer = example('r1');
    return null;
  };
  show(createElement(Page));
  await settle();
  await send({ event: 'snapshot', items: [told()] }, 1);
  await send(update({ chunksDone: 1 }), 2);
  act(() => FakeEventSource.last.break(true));
  const given = await answer;
  given?.unsubscribe();
  await send(update({ chunksDone: 2 }), 3);
  const heard = (event: string) => ['状态更新:', expect.objectContaining({ event, runId: 'r1' })];
  expect(log.mock.calls).toEqual([heard('init'), heard('update')]);
  expect(error.mock.calls).toEqual([['连接错误:', expect.objectContaining({ code: 'disconnected' })]]);
  expect(given?.progress).toMatchObject({ runId: 'r1', status: 'processing' });
});
