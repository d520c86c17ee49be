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
import { Switch } from './Switch';
import type { Segment } from './segments';
import { speakersOf } from './speakers';
import styles from './Transcript.module.css';
import { ticketed } from './tickets';
import { useMachine, useTranscript } from './transcript';
import { useUnsure } from './unsure';

const NONE: readonly Segment[] = [];
const NO_NAMES = {};

type Props = Pick<ReturnType<typeof useRun>, 'trouble' | 'cancel' | 'retry'> & { run: Run };

/** A run's words, as they come and when all are there, with the recording in which they were heard. */
export function Transcript({ run, ...followed }: Props) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const session = useSession();
  const mayWrite = session !== null && may(session, 'runs:write');
  const audio = useAudio(run.audioId);
  const [playback] = useState(() => new Playback(() => ticketed(`/api/audios/${run.audioId}/content`)));
  const { data: edited = NONE, error, isFetched } = useTranscript(run.id);
  const anyEdited = useMemo(() => edited.some((segment) => segment.edited), [edited]);
  const [wanted, setWanted] = useState(false);
  const { data: machine } = useMachine(run.id, wanted && anyEdited);
  const original = wanted && anyEdited && machine !== undefined;
  const segments = original ? machine : edited;
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
      <RunHead run={run} labels={labels} hasText={rows.length > 0} mayWrite={mayWrite} />
      <RunState run={run} mayWrite={mayWrite} {...followed} />
      {error && <Fault error={error} />}
      {rows.length > 0 ? (
        <>
          <div className={styles.tools}>
            <FindBox {...finding} />
            {anyEdited && (
              <Switch on={wanted} onChange={setWanted}>
                {t('machine')}
              </Switch>
            )}
            <Switch on={unsure} onChange={setUnsure} title={t('unsure.text')}>
              <span className={styles.unsure}>{t('unsure.title')}</span>
            </Switch>
          </div>
          <Segments
            ref={list}
            runId={run.id}
            rows={rows}
            segments={segments}
            labels={labels}
            names={original ? NO_NAMES : run.speakers}
            language={run.language}
            ended={run.status === 'failed'}
            unsure={unsure}
            matches={finding.matches}
            current={finding.current}
            playback={playback}
            editing={mayWrite && !original ? editing : null}
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
