import { useTranslation } from 'react-i18next';
import { highest, type Measure, type Sample } from './backlog';
import styles from './Chart.module.css';

type Props = {
  samples: readonly Sample[];
  measure: Exclude<Measure, 'running'>;
  /** The chart's right end, in ms since 1970. */
  until: number;
  write: (value: number) => string;
};

const BARS = 144; // of ten minutes
const HEIGHT = 40;

/** A day as bars, each the highest of ten minutes; where nothing is known, there is nothing. */
export function Chart({ samples, measure, until, write }: Props) {
  const { t } = useTranslation('workers');
  const bars = highest(samples, measure, until, BARS);
  const most = Math.max(0, ...bars.map((value) => value ?? 0));
  const said = t('atMost', { value: write(most) });
  const known = bars.some((value) => value !== null);
  return (
    <figure className={styles.chart}>
      <figcaption>
        {t(`overDay.${measure}`)}
        <span className={styles.most}>{known ? said : t('nothingNoted')}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${BARS} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${t(`overDay.${measure}`)}: ${known ? said : t('nothingNoted')}`}
      >
        <path d={drawn(bars, most)} />
      </svg>
      <div className={styles.ends} aria-hidden="true">
        <span>{t('dayAgo')}</span>
        <span>{t('now')}</span>
      </div>
    </figure>
  );
}

/** Return the bars as a path, the highest as high as the chart; a known zero is a line. Pure. */
export function drawn(bars: readonly (number | null)[], most: number): string {
  return bars
    .map((value, place) => {
      if (value === null) return '';
      const high = Math.max(0.6, most > 0 ? (value / most) * HEIGHT : 0);
      return `M${place} ${HEIGHT}v${-high.toFixed(2)}h1v${high.toFixed(2)}z`;
    })
    .join('');
}
