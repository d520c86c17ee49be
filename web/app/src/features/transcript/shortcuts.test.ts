import { cleanup, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Playback } from './playback';
import { useShortcuts } from './shortcuts';

const playback = new Playback(async () => '');
const toggle = vi.spyOn(playback, 'toggle');
const step = vi.spyOn(playback, 'step');
const shift = vi.spyOn(playback, 'shift');

beforeEach(() => {
  vi.clearAllMocks();
  renderHook(() => useShortcuts(playback));
});
afterEach(() => {
  cleanup();
  document.body.replaceChildren();
});

function press(key: string, on: string, more: KeyboardEventInit = {}): boolean {
  const element = document.createElement(on);
  document.body.append(element);
  return element.dispatchEvent(
    new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }),
  );
}

it.each([
  [' ', toggle, []],
  ['j', step, [-3]],
  ['J', step, [-3]],
  ['ArrowLeft', step, [-3]],
  ['l', step, [3]],
  ['ArrowRight', step, [3]],
  ['-', shift, [-1]],
  ['+', shift, [1]],
  ['=', shift, [1]],
] as const)('%j plays, and does nothing else', (key, does, args) => {
  expect(press(key, 'p')).toBe(false);
  expect(does).toHaveBeenCalledExactlyOnceWith(...args);
});

it.each([
  [' ', 'input', {}],
  ['j', 'textarea', {}],
  ['-', 'select', {}],
  [' ', 'button', {}],
  ['l', 'p', { ctrlKey: true }],
  ['x', 'p', {}],
])('%j in %s with %j is left to the page', (key, on, more) => {
  expect(press(key, on, more)).toBe(true);
  for (const does of [toggle, step, shift]) expect(does).not.toHaveBeenCalled();
});

it('leaves keys to an open dialog', () => {
  document.body.append(Object.assign(document.createElement('dialog'), { open: true }));
  expect(press('j', 'p')).toBe(true);
});
