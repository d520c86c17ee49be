import { useTranslation } from 'react-i18next';
import type { Run } from './runs';

/** Tells a screen reader what has ended: one by its name, several by their number. */
export function Ended({ runs }: { runs: Run[] }) {
  const { t } = useTranslation('recordings');
  const [first] = runs;
  const one =
    first && t(first.status === 'failed' ? 'ended.failed' : 'ended.succeeded', { name: first.filename });
  return (
    <p role="status" className="visually-hidden">
      {runs.length > 1 ? t('ended.several', { count: runs.length }) : one}
    </p>
  );
}
