import type { Schemas } from '../../api/client';

type Peaks = Pick<Schemas['Waveform'], 'data' | 'length' | 'sample_rate' | 'samples_per_pixel'>;

/** The least height of a line, so that silence is seen too. */
const LEAST = 0.02;
/** Where even the loudest is quieter than this share, it is not drawn any louder: there is only noise. */
const QUIETEST = 8;

/**
 * Return a waveform as the outline of a path: from 0 to 1 in width for the whole duration, in height from -1 to 1 for the
 * loudest. Pure.
 *
 * @param duration seconds; the peaks may not reach as far yet.
 */
export function outline(peaks: Peaks, duration: number): string {
  const seconds = peaks.samples_per_pixel / peaks.sample_rate;
  const width = seconds / Math.max(duration, seconds * peaks.length);
  let loudest = QUIETEST;
  for (const value of peaks.data) loudest = Math.max(loudest, Math.abs(value));
  const above: string[] = [];
  const below: string[] = [];
  for (let pair = 0; pair < peaks.length; pair++) {
    const x = round((pair + 0.5) * width);
    const low = (peaks.data[2 * pair] ?? 0) / loudest;
    const high = (peaks.data[2 * pair + 1] ?? 0) / loudest;
    above.push(`${x} ${round(-Math.max(high, LEAST))}`);
    below.push(`${x} ${round(-Math.min(low, -LEAST))}`);
  }
  return above.length ? `M${[...above, ...below.reverse()].join('L')}Z` : '';
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
