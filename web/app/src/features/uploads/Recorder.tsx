import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { clock } from '../../ui/format';
import styles from './AddRecordings.module.css';
import { record, stamp, type Take, whyNot } from './microphone';

type Props = { most: number; onFile: (file: File) => void };

/** Records from the microphone. Leaving the page ends a recording, and keeps it. */
export function Recorder({ most, onFile }: Props) {
  const { t } = useTranslation('uploads');
  const [take, setTake] = useState<Take | null>(null);
  const [asking, setAsking] = useState(false);
  const [fault, setFault] = useState<ReturnType<typeof whyNot> | null>(null);
  const gone = useRef(false);
  const running = useRef<Take>(null);

  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
      running.current?.stop();
    };
  }, []);

  const begin = async () => {
    setFault(null);
    setAsking(true);
    const begun = new Date();
    try {
      running.current = await record(most, (sound, ending) => {
        running.current = null;
        setTake(null);
        const name = `${t('recorder.name', { date: stamp(begun) })}.${ending}`;
        if (sound) onFile(new File([sound], name, { type: sound.type }));
      });
      setTake(running.current);
      if (gone.current) running.current.discard();
    } catch (error) {
      setFault(whyNot(error));
    }
    setAsking(false);
  };

  // Disabled in name alone, for what is disabled loses the focus.
  const press = () => {
    if (take) take.stop();
    else if (!asking) begin();
  };

  return (
    <>
      <Button aria-disabled={asking} onClick={press} data-recording={take !== null}>
        {take ? t('recorder.stop') : asking ? t('recorder.asking') : t('recorder.record')}
      </Button>
      {take && <Running take={take} />}
      <p role="status" className="visually-hidden">
        {take && t('recorder.running')}
      </p>
      {fault && (
        <p role="alert" className={styles.wrong}>
          {t(`recorder.faults.${fault}`)}
        </p>
      )}
    </>
  );
}

const TICK_MS = 100;

function Running({ take }: { take: Take }) {
  const { t } = useTranslation('uploads');
  const [begun] = useState(() => performance.now());
  const [{ seconds, level }, setNow] = useState({ seconds: 0, level: 0 });
  useEffect(() => {
    const tick = () => setNow({ seconds: (performance.now() - begun) / 1000, level: take.level() });
    const timer = setInterval(tick, TICK_MS);
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => {
      clearInterval(timer);
      removeEventListener('beforeunload', warn);
    };
  }, [take, begun]);
  return (
    <>
      <span role="timer" aria-label={t('recorder.time')} className={styles.time}>
        {clock(seconds)}
      </span>
      <meter className={styles.level} min={0} max={1} value={level} aria-label={t('recorder.level')} />
      <Button kind="quiet" onClick={take.discard}>
        {t('recorder.discard')}
      </Button>
    </>
  );
}
