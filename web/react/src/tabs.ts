import type { RunState } from './frames';
import type { ConnectionState } from './owner_stream';
import type { Numbered } from './recent';

/** What the tab that leads tells the others. Each frame names its run, so it is passed on as it came. */
export type Told =
  | { type: 'frame'; id: number | null; text: string }
  | { type: 'missed'; frames: Numbered[] }
  | { type: 'state'; id: number; items: RunState[] }
  | { type: 'connection'; state: ConnectionState };

/** What tabs tell each other; `term` is higher of each tab that leads than of those before it. */
export type TabMessage = (Told & { term: number }) | { type: 'ask'; after: number | null };

export interface Tabs {
  post(message: TabMessage): void;
  leave(): void;
}

/**
 * Join the tabs of the same name. One of them leads; when it is closed, the lock goes to the next.
 *
 * With null, and where the browser refuses, this tab leads by itself.
 */
export function joinTabs(
  name: string | null,
  onMessage: (message: TabMessage) => void,
  onLead: () => void,
): Tabs {
  if (name === null) {
    onLead();
    return { post() {}, leave() {} };
  }
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => onMessage(data);
  const stay = new AbortController();
  const end = new Promise<void>((resolve) => stay.signal.addEventListener('abort', () => resolve()));
  let shares = true;
  const alone = () => {
    shares = false;
    channel.close();
  };
  navigator.locks
    .request(name, { signal: stay.signal }, () => {
      if (stay.signal.aborted) return;
      onLead();
      return end;
    })
    .catch(() => {
      if (stay.signal.aborted) return;
      alone();
      onLead();
    });
  return {
    post: (message) => shares && channel.postMessage(message),
    leave() {
      alone();
      stay.abort();
    },
  };
}
