import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useOwnerEvents } from '../contexts/EventContext';
import { isFinal, type RunFrame, type RunStatus, type Trouble } from '../frames';
import { type Labels, labelsIn } from '../labels';

export interface TranscriptionStatusProps {
  runId: string;
  /** Called once, when the run has ended. */
  onCompleted?: (success: boolean, data: RunFrame) => void;
  /** Called with the first status, and with each other one. */
  onStatusChange?: (status: RunStatus, data: RunFrame) => void;
  /** Like `zh-CN`; the browser's if not given. */
  language?: string;
}

/** How far a run is: its status, a bar, the time left, its place in the queue, its chunks. */
export function TranscriptionStatus({ runId, language, ...callbacks }: TranscriptionStatusProps) {
  const labels = labelsIn(language ?? navigator.language);
  const { run, trouble } = useRun(runId, callbacks);
  return (
    <section className="lingoloop-status" data-status={run?.status ?? 'unknown'} lang={labels.lang}>
      {/* Only this line is read out when it changes: what changes each second would be chatter. */}
      <p className="lingoloop-status-line" role="status">
        {run ? labels.status(run) : !trouble && labels.loading}
      </p>
      {run && !isFinal(run.status) && <Progress run={run} labels={labels} />}
      {trouble && <p className="lingoloop-status-trouble">{labels.trouble(trouble)}</p>}
    </section>
  );
}

function Progress({ run, labels }: { run: RunFrame; labels: Labels }) {
  const { progress, estimatedTimeRemaining, queuePosition, status } = run;
  return (
    <>
      <progress
        className="lingoloop-status-bar"
        max={100}
        value={progress}
        aria-label={labels.progress}
        aria-valuetext={`${progress}%`}
      />
      <ul className="lingoloop-status-details">
        <li>{progress}%</li>
        {estimatedTimeRemaining !== null && <li>{labels.timeLeft(estimatedTimeRemaining)}</li>}
        {queuePosition !== null && <li>{labels.place(queuePosition)}</li>}
        {status === 'processing' && <li>{labels.chunks(run)}</li>}
      </ul>
    </>
  );
}

type Callbacks = Pick<TranscriptionStatusProps, 'onCompleted' | 'onStatusChange'>;

/** Follow a run; the callbacks may be others at each render. */
function useRun(runId: string, callbacks: Callbacks) {
  const { subscribeToRun } = useOwnerEvents();
  const latest = useRef(callbacks);
  useLayoutEffect(() => {
    latest.current = callbacks;
  });
  const [seen, setSeen] = useState<{ runId: string; run: RunFrame | null; trouble: Trouble | null }>();
  // A page that is hidden and shown again subscribes again; what was told stays told.
  const told = useRef<{ runId: string; status?: RunStatus; completed?: boolean }>({ runId });

  useEffect(() => {
    if (told.current.runId !== runId) told.current = { runId };
    const onData = (run: RunFrame) => {
      setSeen({ runId, run, trouble: null });
      tell(told.current, run, latest.current);
    };
    const onError = (trouble: Trouble) =>
      setSeen((before) => ({ runId, run: before?.runId === runId ? before.run : null, trouble }));
    return subscribeToRun(runId, onData, onError);
  }, [subscribeToRun, runId]);

  return seen?.runId === runId ? seen : { run: null, trouble: null };
}

function tell(told: { status?: RunStatus; completed?: boolean }, run: RunFrame, callbacks: Callbacks): void {
  if (told.status !== run.status) {
    told.status = run.status;
    callbacks.onStatusChange?.(run.status, run);
  }
  if (run.event === 'done' && !told.completed) {
    told.completed = true;
    callbacks.onCompleted?.(run.status === 'succeeded', run);
  }
}
