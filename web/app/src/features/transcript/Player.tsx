import { useEffect, useId, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { clock } from '../../ui/format';
import { CopyButton } from './CopyButton';
import { momentLink } from './moments';
import styles from './Player.module.css';
import { type Playback, SPEEDS, usePlayback } from './playback';
import { STEP, useShortcuts } from './shortcuts';
import { Waveform } from './Waveform';

type Props = { playback: Playback; audioId: string; lengthMs: number | null; onShowPlaying: () => void };

/** Plays the recording; of video, its sound. */
export function Player({ playback, audioId, lengthMs, onShowPlaying }: Props) {
  const { t } = useTranslation('transcript');
  const { playing, speed, duration, broken } = usePlayback(playback);
  const length = duration ?? (lengthMs ?? 0) / 1000;
  useShortcuts(playback);
  return (
    <section className={styles.player} aria-label={t('player.title')}>
      {/* biome-ignore lint/a11y/useMediaCaption: the transcript is on this page. */}
      <audio ref={playback.attach} preload="metadata" />
      <Waveform audioId={audioId} duration={length} playback={playback} />
      {broken && <p role="alert">{t('player.broken')}</p>}
      <div className={styles.controls}>
        <Button
          kind="quiet"
          onClick={() => playback.step(-STEP)}
          aria-label={t('player.back', { count: STEP })}
        >
          <span aria-hidden="true">−{STEP}</span>
        </Button>
        <Button
          kind="primary"
          className={styles.play}
          onClick={() => playback.toggle()}
          aria-label={t(playing ? 'player.pause' : 'player.play')}
        >
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="currentColor">
            <path d={playing ? 'M3 2h4v12H3zM9 2h4v12H9z' : 'M4 2l10 6-10 6z'} />
          </svg>
        </Button>
        <Button
          kind="quiet"
          onClick={() => playback.step(STEP)}
          aria-label={t('player.forward', { count: STEP })}
        >
          <span aria-hidden="true">+{STEP}</span>
        </Button>
        <span className={styles.time}>
          <Clock playback={playback} /> / {clock(length)}
        </span>
        <select
          aria-label={t('player.speed')}
          value={speed}
          onChange={(event) => playback.setSpeed(Number(event.target.value))}
        >
          {SPEEDS.map((value) => (
            <option key={value} value={value}>
              {value}×
            </option>
          ))}
        </select>
        <span className={styles.more}>
          <Button kind="quiet" onClick={onShowPlaying}>
            {t('player.show')}
          </Button>
          <CopyButton text={() => momentLink(playback.time)}>{t('player.link')}</CopyButton>
          <Keys />
        </span>
      </div>
    </section>
  );
}

/** The position; written into the page by itself, so that nothing else is made anew with each frame. */
function Clock({ playback }: { playback: Playback }) {
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const show = (seconds: number) => {
      const text = clock(seconds);
      if (place.current && place.current.textContent !== text) place.current.textContent = text;
    };
    show(playback.time);
    return playback.onMove(show);
  }, [playback]);
  return <span ref={place} />;
}

/** Says which keys play. */
function Keys() {
  const { t } = useTranslation('transcript');
  const id = useId();
  const keys = [
    [t('keys.space'), t('keys.toggle')],
    ['J ←', t('player.back', { count: STEP })],
    ['L →', t('player.forward', { count: STEP })],
    ['− +', t('keys.speed')],
    ['/', t('keys.find')],
  ];
  return (
    <>
      <Button kind="quiet" popoverTarget={id}>
        {t('keys.title')}
      </Button>
      <div id={id} popover="auto" className={styles.keys} role="dialog" aria-label={t('keys.title')}>
        <dl>
          {keys.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <p>{t('keys.text')}</p>
      </div>
    </>
  );
}
