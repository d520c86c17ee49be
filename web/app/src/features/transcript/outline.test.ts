import { expect, it } from 'vitest';
import { outline } from './outline';

const peaks = (...data: number[]) => ({
  data,
  length: data.length / 2,
  sample_rate: 16000,
  samples_per_pixel: 16000,
});

it('goes along the top and back along the bottom, as high as the loudest', () => {
  expect(outline(peaks(-50, 100, -100, 50), 2)).toBe('M0.25 -1L0.75 -0.5L0.75 1L0.25 0.5Z');
});

it('leaves room for what was not heard yet', () => {
  expect(outline(peaks(-100, 100), 4)).toBe('M0.125 -1L0.125 1Z');
});

it('shows silence as a thin line, and noise as noise', () => {
  expect(outline(peaks(0, 0), 1)).toBe('M0.5 -0.02L0.5 0.02Z');
  expect(outline(peaks(-1, 1), 1)).toBe('M0.5 -0.125L0.5 0.125Z');
});

it('is nothing where nothing was heard', () => {
  expect(outline(peaks(), 10)).toBe('');
});
