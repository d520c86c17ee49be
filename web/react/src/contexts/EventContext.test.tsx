import { act, cleanup, render, renderHook, screen } from '@testing-library/react';
import { type ReactNode, StrictMode } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeEventSource } from '../testing/browser';
import { told, update } from '../testing/frames';
import { FakeApi } from '../testing/server';
import { EventProvider, type Events, useEvents } from './EventContext';

const wrapper = ({ children }: { children: ReactNode }) => (
  <EventProvider token="llk_1">{children}</EventProvider>
);
const rest = () => act(() => new Promise((resolve) => setTimeout(resolve, 20)));

beforeEach(() => {
  vi.stubGlobal('EventSource', FakeEventSource);
  FakeEventSource.opened = [];
  new FakeApi().set();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('without a provider it says what to do', () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(() => renderHook(useEvents)).toThrow('Wrap the app in <EventProvider token={…}>');
});

test('it has the names of the guide', () => {
  const { result } = renderHook(useEvents, { wrapper });
  expect(Object.keys(result.current)).toEqual([
    'subscribeToRun',
    'subscribeToGlobalEvents',
    'pollRunProgress',
    'cleanup',
    'connections',
    'globalEvents',
  ]);
});

test('it asks for the progress of a run', async () => {
  const { result } = renderHook(useEvents, { wrapper });
  expect(await result.current.pollRunProgress('r1')).toMatchObject({ runId: 'r1', status: 'processing' });
});

test('only who reads what changes is rendered again', async () => {
  const given: Events[] = [];
  render(
    <>
      <Functions given={given} />
      <Frames />
    </>,
    { wrapper },
  );
  act(() => void given[0]?.subscribeToRun('r1', () => {}));
  await rest();
  act(() => FakeEventSource.last.send({ event: 'snapshot', items: [told()] }, 1));
  act(() => FakeEventSource.last.send(update({ chunksDone: 1 }), 2));
  expect(screen.getByText('2 frames')).toBeTruthy();
  expect(given).toHaveLength(1);
});

test('reading the global events is following all runs', async () => {
  const { unmount } = renderHook(() => useEvents().globalEvents, { wrapper });
  await rest();
  expect(FakeEventSource.live).toHaveLength(1);
  unmount();
  expect(FakeEventSource.live).toHaveLength(0);
});

test('in strict mode there is one connection, and none when the provider is gone', async () => {
  const { unmount } = render(
    <StrictMode>
      <EventProvider token={() => 'llk_1'}>
        <Reader />
      </EventProvider>
    </StrictMode>,
  );
  await rest();
  expect(FakeEventSource.live).toHaveLength(1);
  unmount();
  expect(FakeEventSource.live).toHaveLength(0);
});

function Functions({ given }: { given: Events[] }) {
  given.push(useEvents());
  return null;
}

function Frames() {
  return <p>{useEvents().globalEvents.length} frames</p>;
}

function Reader() {
  return useEvents().globalEvents.length;
}
