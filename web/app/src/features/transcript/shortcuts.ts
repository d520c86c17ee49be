import { useEffect } from 'react';
import type { Playback } from './playback';

/** Seconds that a step goes back or forward. */
export const STEP = 3;

type Does = (playback: Playback) => void;

const back: Does = (playback) => playback.step(-STEP);
const forward: Does = (playback) => playback.step(STEP);
const slower: Does = (playback) => playback.shift(-1);
const faster: Does = (playback) => playback.shift(1);

// By the character, so that they are where the keyboard has it; `=` and `_` share keys with `+` and `-`.
const KEYS: Record<string, Does> = {
  ' ': (playback) => playback.toggle(),
  j: back,
  arrowleft: back,
  l: forward,
  arrowright: forward,
  '-': slower,
  _: slower,
  '+': faster,
  '=': faster,
};

/** Let keys play, wherever the focus is, but where they mean something of their own. */
export function useShortcuts(playback: Playback): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const does = KEYS[event.key.toLowerCase()];
      if (!does || event.ctrlKey || event.altKey || event.metaKey || isTaken(event)) return;
      event.preventDefault();
      does(playback);
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [playback]);
}

/** Whether a key that is pressed there is written, or chooses, or belongs to a dialog. */
export function isTyping(target: EventTarget | null): boolean {
  const fields = 'textarea, select, input:not([type=range], [type=checkbox]), [contenteditable]';
  if (!(target instanceof Element) || document.querySelector('dialog[open]')) return true;
  return target.closest(fields) !== null;
}

function isTaken({ target, key, defaultPrevented }: KeyboardEvent): boolean {
  if (defaultPrevented || isTyping(target)) return true;
  return key === ' ' && (target as Element).closest('button, summary, input[type=checkbox]') !== null;
}
