import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from 'react';
import { type EventState, OwnerEvents } from '../events';

export interface EventProviderProps {
  /** Where the server is; '' is the page's own origin. */
  baseUrl?: string;
  /** An access token or API key, or what gives one each time that it is needed. */
  token: string | (() => string | Promise<string>);
  children?: ReactNode;
}

/** What `useEvents` gives. */
export interface Events
  extends EventState,
    Pick<OwnerEvents, 'subscribeToRun' | 'subscribeToGlobalEvents' | 'pollRunProgress' | 'cleanup'> {}

export const EventContext = createContext<OwnerEvents | null>(null);

/** Gives what is below it the events of one owner's runs; they come over one connection for all tabs. */
export function EventProvider({ baseUrl = '', token, children }: EventProviderProps) {
  const latest = useRef(token);
  useLayoutEffect(() => {
    latest.current = token;
  });
  const events = useMemo(() => {
    const read = () => (typeof latest.current === 'string' ? latest.current : latest.current());
    return new OwnerEvents({ baseUrl: baseUrl.replace(/\/+$/, ''), token: read });
  }, [baseUrl]);
  useEffect(() => {
    if (typeof token === 'string') events.tokenChanged();
  }, [events, token]);
  useEffect(() => () => events.cleanup(), [events]);
  return <EventContext value={events}>{children}</EventContext>;
}

export function useOwnerEvents(): OwnerEvents {
  const events = useContext(EventContext);
  if (events) return events;
  throw new Error(
    'There is no EventProvider above this component. Wrap the app in <EventProvider token={…}> from @lingoloop/react.',
  );
}

/**
 * The events of the owner's runs.
 *
 * Only a component that reads `connections` or `globalEvents` is rendered again when they change; reading `globalEvents`
 * counts as following all runs.
 */
export function useEvents(): Events {
  const events = useOwnerEvents();
  const used = useRef({ connections: false, globalEvents: false });
  const subscribe = useCallback(
    (listener: () => void) => {
      const ends = [events.store.subscribe(listener)];
      if (used.current.globalEvents) ends.push(events.subscribeToGlobalEvents(() => {}));
      return () => {
        for (const end of ends) end();
      };
    },
    [events],
  );
  useSyncExternalStore(subscribe, () => (used.current.connections ? events.store.get().connections : null));
  useSyncExternalStore(subscribe, () => (used.current.globalEvents ? events.store.get().globalEvents : null));
  return useMemo(() => watched(events, used.current), [events]);
}

function watched(events: OwnerEvents, used: { connections: boolean; globalEvents: boolean }): Events {
  const { subscribeToRun, subscribeToGlobalEvents, pollRunProgress, cleanup } = events;
  return {
    subscribeToRun,
    subscribeToGlobalEvents,
    pollRunProgress,
    cleanup,
    get connections() {
      used.connections = true;
      return events.store.get().connections;
    },
    get globalEvents() {
      used.globalEvents = true;
      return events.store.get().globalEvents;
    },
  };
}
