import { useTranslation } from 'react-i18next';
import { type Run, wasCanceled } from './runs';

/** Tells a screen reader what has ended: one by its name, several by their number. */
export function Ended({ runs }: { runs: Run[] }) {
  const { t } = useTranslation('recordings');
  const [first] = runs;
  const end = (run: Run) =>
    wasCanceled(run) ? 'canceled' : run.status === 'failed' ? 'failed' : 'succeeded';
  const one = first && t(`ended.${end(first)}`, { name: first.filename });
  return (
    <p role="status" className="visually-hidden">
      {runs.length > 1 ? t('ended.several', { count: runs.length }) : one}
    </p>
  );
}
