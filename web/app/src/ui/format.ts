import type { TFunction } from 'i18next';

/*
 * How numbers, times and dates are written. Pure: `language` is the one that was chosen (i18n.language).
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Write a length in its two largest units: `1 hr 2 min`, `1小时2分钟`. */
export function duration(ms: number, language: string): string {
  const whole = ms < HOUR ? Math.round(ms / SECOND) * SECOND : Math.round(ms / MINUTE) * MINUTE;
  const parts: [number, string][] =
    whole < HOUR
      ? [
          [Math.floor(whole / MINUTE), 'minute'],
          [(whole % MINUTE) / SECOND, 'second'],
        ]
      : [
          [Math.floor(whole / HOUR), 'hour'],
          [(whole % HOUR) / MINUTE, 'minute'],
        ];
  const some = parts.filter(([count]) => count > 0);
  const shown = (some.length ? some : parts.slice(1)).map(([count, unit]) => measured(count, unit, language));
  return new Intl.ListFormat(language, { type: 'unit', style: 'narrow' }).format(shown);
}

/** Write a position in a recording as on a clock: `2:03`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, two(whole % 60)];
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];

/** Write a size with three digits: `15.7 MB`; a megabyte has 1,000,000 bytes, as on disks. */
export function bytes(size: number, language: string): string {
  let [value, step] = [size, 0];
  while (value >= 999.5 && step < SIZES.length - 1) {
    value /= 1000;
    step += 1;
  }
  return measured(value, SIZES[step] as string, language, { maximumSignificantDigits: 3 });
}

/** Write a share, of 0 to 100, as `42%`. */
export function percent(share: number, language: string): string {
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 }).format(share / 100);
}

/** Say how long it will still take, no closer than can be known: `about 3 min left`. */
export function timeLeft(seconds: number, t: TFunction<'ui'>): string {
  if (seconds < 60) return t('left.moment');
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 90) return t('left.minutes', { count: minutes });
  return t('left.hours', { count: Math.round(minutes / 30) / 2 });
}

/** Write a point in time as briefly as is clear: the time today, the day as well before that, the year of another year. */
export function when(iso: string, language: string, now = new Date()): string {
  const moment = new Date(iso);
  const year = moment.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  const day = moment.toDateString() === now.toDateString() ? {} : { year, month: 'short', day: 'numeric' };
  const form = { ...day, hour: 'numeric', minute: '2-digit' } as Intl.DateTimeFormatOptions;
  return new Intl.DateTimeFormat(language, form).format(moment);
}

/** Name a spoken language by its code: `en` is English, 英语. */
export function languageName(code: string, language: string): string {
  try {
    return new Intl.DisplayNames(language, { type: 'language' }).of(code) ?? code;
  } catch {
    return code; // not a code that there could be
  }
}

function measured(value: number, unit: string, language: string, more?: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', ...more }).format(
    value,
  );
}
