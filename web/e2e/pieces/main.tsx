import '@lingoloop/react/style.css';
import {
  EventProvider,
  type RunFrame,
  type Segment,
  TranscriptionStatus,
  type Trouble,
  useEvents,
} from '@lingoloop/react';
import { StrictMode, useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import './tab';

const tab = window.tab;

function onFrame(frame: RunFrame) {
  tab.frames.push(frame);
  if (frame.event === 'init') void fetchWords();
}

/** As the README says: after `init`, the words so far are asked for. */
async function fetchWords() {
  const headers = { Authorization: `Bearer ${tab.token}` };
  const answer = await fetch(`/api/runs/${tab.runId}/segments?limit=1000`, { headers });
  const { items } = (await answer.json()) as { items: Segment[] };
  tab.fetched.push(...items.map(({ index }) => index));
}

function Recorder() {
  const { subscribeToRun, subscribeToGlobalEvents, connections } = useEvents();
  useEffect(() => {
    const onError = (trouble: Trouble) => tab.troubles.push(trouble);
    return subscribeToRun(tab.runId, onFrame, onError);
  }, [subscribeToRun]);
  useEffect(() => subscribeToGlobalEvents((frame) => tab.global.push(frame)), [subscribeToGlobalEvents]);
  tab.connections = [...connections];
  return null;
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <EventProvider token={() => tab.token}>
      <TranscriptionStatus
        runId={tab.runId}
        onCompleted={(success) => tab.completed.push(success)}
        onStatusChange={(status) => tab.statuses.push(status)}
      />
      <Recorder />
    </EventProvider>
  </StrictMode>,
);
