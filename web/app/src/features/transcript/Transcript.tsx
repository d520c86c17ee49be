import { useCallback, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { may, useSession } from '../../session/session';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import { useAudio } from './audio';
import { useEditing } from './editing';
import { FindBox } from './FindBox';
import { useFinding } from './finding';
import { useMoment } from './moments';
import { Player } from './Player';
import { Playback } from './playback';
import { RunHead } from './RunHead';
import { RunState } from './RunState';
import { rowsOf } from './rows';
import type { Run, useRun } from './run';
import { Segments, type SegmentsHandle } from './Segments';
import { speakersOf } from './speakers';
import styles from './Transcript.module.css';
import { ticketed } from './tickets';
import { useTranscript } from './transcript';
import { UnsureSwitch, useUnsure } from './UnsureSwitch';

type Props = Pick<ReturnType<typeof useRun>, 'trouble' | 'cancel' | 'retry'> & { run: Run };

/** A run's words, as they come and when all are there, with the recording in which they were heard. */
export function Transcript({ run, ...followed }: Props) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const session = useSession();
  const mayWrite = session !== null && may(session, 'runs:write');
  const audio = useAudio(run.audioId);
  const [playback] = useState(() => new Playback(() => ticketed(`/api/audios/${run.audioId}/content`)));
  const { data: segments = [], error, isFetched } = useTranscript(run.id);
  const length = run.durationMs === null ? null : run.durationMs / 1000;
  const rows = useMemo(() => rowsOf(segments, run.status, length), [segments, run.status, length]);
  // As text, so that rows stay as they are while nobody new speaks.
  const speakers = JSON.stringify(speakersOf(segments));
  const labels: string[] = useMemo(() => JSON.parse(speakers), [speakers]);
  const list = useRef<SegmentsHandle>(null);
  const finding = useFinding(segments, (index) => list.current?.reveal(index));
  const [unsure, setUnsure] = useUnsure();
  const { editing, refused } = useEditing(run.id);
  useMoment(
    isFetched && audio !== null,
    useCallback((seconds: number) => playback.seek(seconds), [playback]),
  );
  return (
    <div className={styles.page}>
      <RunHead run={run} labels={labels} mayWrite={mayWrite} />
      <RunState run={run} mayWrite={mayWrite} {...followed} />
      {error && <Fault error={error} />}
      {rows.length > 0 ? (
        <>
          <div className={styles.tools}>
            <FindBox {...finding} />
            <UnsureSwitch on={unsure} onChange={setUnsure} />
          </div>
          <Segments
            ref={list}
            runId={run.id}
            rows={rows}
            segments={segments}
            labels={labels}
            names={run.speakers}
            language={run.language}
            ended={run.status === 'failed'}
            unsure={unsure}
            matches={finding.matches}
            current={finding.current}
            playback={playback}
            editing={mayWrite ? editing : null}
          />
        </>
      ) : (
        isFetched && <p className={styles.empty}>{t(`empty.${run.status}`)}</p>
      )}
      <div className={styles.dock}>
        {refused && (
          <Fault error={refused.error}>
            <span>
              {t('editor.undone')}{' '}
              <Button kind="quiet" onClick={refused.again}>
                {t('editor.again')}
              </Button>
              <Button kind="quiet" onClick={refused.dismiss}>
                {ui('close')}
              </Button>
            </span>
          </Fault>
        )}
        {audio && (
          <Player
            playback={playback}
            audioId={run.audioId}
            lengthMs={run.durationMs}
            onShowPlaying={() => list.current?.showPlaying()}
          />
        )}
      </div>
    </div>
  );
}
