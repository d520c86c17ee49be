import { useState } from 'react';

const KEY = 'lingoloop.unsure';

/** Whether words of which the machine is not sure are marked, and how that is changed; it is kept. */
export function useUnsure(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => localStorage.getItem(KEY) !== 'off');
  const change = (next: boolean) => {
    localStorage.setItem(KEY, next ? 'on' : 'off');
    setOn(next);
  };
  return [on, change];
}
