import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '../../api/client';
import { clock } from '../../ui/format';
import { outline } from './outline';
import type { Playback } from './playback';
import styles from './Waveform.module.css';

/** Pairs of peaks: more than a wide screen shows. */
const POINTS = 1_000;
const LOOK_AGAIN_MS = 5_000;

type Props = { audioId: string; duration: number; playback: Playback };

/**
 * The recording as a picture in which one chooses where to play.
 *
 * Drawn here and not by wavesurfer.js: that writes a `<style>` element, which the page's policy forbids (`style-src 'self'`),
 * and a page that is served from files has no nonce to allow it. The picture is one SVG path, so it follows size and theme by
 * itself; choosing is a range input, so keyboard and screen reader can do it too.
 */
export function Waveform({ audioId, duration, playback }: Props) {
  const { t } = useTranslation('transcript');
  const slider = useRef<HTMLInputElement>(null);
  const played = useRef<SVGUseElement>(null);
  const id = useId();
  const { data: path = '' } = useQuery({
    queryKey: ['peaks', audioId],
    queryFn: async ({ signal }) =>
      body(
        await api.GET('/api/audios/{audio_id}/peaks', {
          params: { path: { audio_id: audioId }, query: { points: POINTS } },
          signal,
        }),
      ),
    refetchInterval: ({ state }) => (state.data?.pending ? LOOK_AGAIN_MS : false),
    select: (peaks) => outline(peaks, duration),
  });

  useEffect(() => {
    const show = (seconds: number) => {
      const share = duration > 0 ? Math.min(1, seconds / duration) : 0;
      if (played.current) played.current.style.clipPath = `inset(0 ${(1 - share) * 100}% 0 0)`;
      if (!slider.current) return;
      slider.current.value = `${seconds}`;
      slider.current.style.setProperty('--share', `${share}`);
      const text = t('player.position', { at: clock(seconds), of: clock(duration) });
      // Written only where it changes: assistive technology hears of each write.
      if (slider.current.getAttribute('aria-valuetext') !== text)
        slider.current.setAttribute('aria-valuetext', text);
    };
    show(playback.time);
    return playback.onMove(show);
  }, [playback, duration, t]);

  return (
    <div className={styles.waveform}>
      <svg viewBox="0 -1 1 2" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <path id={id} d={path} />
        <use ref={played} href={`#${id}`} className={styles.played} />
      </svg>
      <input
        ref={slider}
        type="range"
        min={0}
        max={duration}
        step="any"
        defaultValue={0}
        aria-label={t('player.seek')}
        onChange={(event) => playback.seek(event.target.valueAsNumber)}
      />
    </div>
  );
}
