import { type ReactNode, useEffect, useState } from 'react';
import { queryClient } from '../../api/queries';
import { settingsQuery } from '../../api/settings';
import { currentSession, useSession } from '../../session/session';
import { refusal } from './limits';
import { createQueue, type Queue } from './queue';
import { QueueContext } from './queueContext';
import { drop, send } from './sending';
import { UploadList } from './UploadList';
import { abandoned, forget, keep, takenOver } from './unfinished';

/** Keeps the uploads going, whatever page is shown, and shows them below it. */
export function UploadsProvider({ children }: { children: ReactNode }) {
  const owner = useSession()?.owner ?? '';
  const [queue] = useState(() => queueOf(owner));
  useEffect(() => {
    abandoned(owner).then(queue.offer);
    const leave = (event: StorageEvent) => {
      const id = takenOver(event);
      if (id) queue.leave(id);
    };
    const warn = (event: BeforeUnloadEvent) => {
      if (queue.isBusy()) event.preventDefault();
    };
    addEventListener('storage', leave);
    addEventListener('online', queue.wake);
    addEventListener('beforeunload', warn);
    return () => {
      removeEventListener('storage', leave);
      removeEventListener('online', queue.wake);
      removeEventListener('beforeunload', warn);
      queue.stop();
    };
  }, [owner, queue]);
  return (
    <QueueContext value={queue}>
      {children}
      <UploadList />
    </QueueContext>
  );
}

function queueOf(owner: string): Queue {
  return createQueue({
    send(upload, stop, happenings) {
      // A recording that ends as its owner leaves must not become somebody else's.
      if (currentSession()?.owner === owner) send(upload, stop, happenings);
    },
    drop,
    keep: (upload) => keep(upload, owner),
    forget,
    refusal: (file) => refusal(file, queryClient.getQueryData(settingsQuery.queryKey)?.limits ?? null),
    begun: () => queryClient.invalidateQueries({ queryKey: ['runs'] }),
  });
}
