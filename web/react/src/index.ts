export { TranscriptionStatus, type TranscriptionStatusProps } from './components/TranscriptionStatus';
export {
  EventContext,
  EventProvider,
  type EventProviderProps,
  type Events,
  useEvents,
} from './contexts/EventContext';
export type {
  ErrorCause,
  GlobalFrame,
  RunFrame,
  RunProgress,
  RunState,
  RunStatus,
  Segment,
  SnapshotFrame,
  Trouble,
  Word,
} from './frames';
export type { OnGlobal } from './globals';
export type { ConnectionState } from './owner_stream';
export type { OnError, OnRun } from './subscriptions';
