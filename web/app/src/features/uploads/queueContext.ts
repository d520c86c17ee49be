import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Queue } from './queue';
import type { Upload } from './upload';

export const QueueContext = createContext<Queue | null>(null);

export function useQueue(): Queue {
  const queue = useContext(QueueContext);
  if (!queue) throw new Error('useQueue is for what is inside of UploadsProvider');
  return queue;
}

export function useUploads(): readonly Upload[] {
  const queue = useQueue();
  return useSyncExternalStore(queue.subscribe, queue.get);
}
