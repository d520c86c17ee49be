import { useTranslation } from 'react-i18next';
import { duration, when } from '../../ui/format';
import { DAY_MS, highest, type Measure, type Sample } from './backlog';

const HOURS = 24;

type Props = { samples: readonly Sample[]; measures: readonly Measure[]; until: number };

/** The charts' day in numbers, the highest of each hour; the newest first. */
export function HistoryTable({ samples, measures, until }: Props) {
  const { t, i18n } = useTranslation('workers');
  const columns = measures.map((measure) => highest(samples, measure, until, HOURS));
  const write = (measure: Measure, value: number | null | undefined) => {
    if (value === null || value === undefined) return '–';
    return measure === 'secondsWaiting' ? duration(value * 1000, i18n.language) : value;
  };
  return (
    <table>
      <caption className="visually-hidden">{t('tableCaption')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('from')}</th>
          {measures.map((measure) => (
            <th key={measure} scope="col">
              {t(measure)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: HOURS }, (_, age) => HOURS - 1 - age).map((hour) => {
          const from = new Date(until - DAY_MS + (hour * DAY_MS) / HOURS).toISOString();
          return (
            <tr key={hour}>
              <th scope="row">{when(from, i18n.language)}</th>
              {measures.map((measure, place) => (
                <td key={measure}>{write(measure, columns[place]?.[hour])}</td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
