import type { TFunction } from 'i18next';
import { describe, expect, it } from 'vitest';
import { bytes, clock, duration, languageName, percent, timeLeft, when } from './format';

describe('duration', () => {
  it.each([
    [0, 'en', '0 sec'],
    [42_400, 'en', '42 sec'],
    [60_000, 'en', '1 min'],
    [200_000, 'en', '3 min 20 sec'],
    [3_599_900, 'en', '1 hr'],
    [3_723_000, 'en', '1 hr 2 min'],
    [36_000_000, 'en', '10 hr'],
    [3_723_000, 'zh', '1小时2分钟'],
  ])('of %d ms in %s is %s', (ms, language, written) => {
    expect(duration(ms, language)).toBe(written);
  });
});

describe('clock', () => {
  it.each([
    [0, '0:00'],
    [5.99, '0:05'],
    [123, '2:03'],
    [3723.4, '1:02:03'],
    [-1, '0:00'],
  ])('of %d s is %s', (seconds, written) => {
    expect(clock(seconds)).toBe(written);
  });
});

describe('bytes', () => {
  it.each([
    [0, '0 byte'],
    [999, '999 byte'],
    [15_728_640, '15.7 MB'],
    [999_600, '1 MB'],
    [10 * 2 ** 30, '10.7 GB'],
  ])('of %d is %s', (size, written) => {
    expect(bytes(size, 'en')).toBe(written);
  });
});

it('writes a share', () => {
  expect(percent(42, 'en')).toBe('42%');
});

describe('timeLeft', () => {
  const t = ((key: string, { count }: { count?: number } = {}) => `${key} ${count}`) as TFunction<'ui'>;
  it.each([
    [5, 'left.moment undefined'],
    [60, 'left.minutes 1'],
    [121, 'left.minutes 3'],
    [90 * 60, 'left.hours 1.5'],
    [10 * 3600 + 60, 'left.hours 10'],
  ])('of %d s is %s', (seconds, said) => {
    expect(timeLeft(seconds, t)).toBe(said);
  });
});

describe('when', () => {
  const now = new Date(2026, 10, 27, 18, 0);
  const said = (language: string, ...at: [number, number, number, number, number]) =>
    when(new Date(...at).toISOString(), language, now).replace(/\s/g, ' ');

  it('is the time alone today', () => {
    expect(said('en', 2026, 10, 27, 9, 5)).toBe('9:05 AM');
  });
  it('has the day as well before that', () => {
    expect(said('en', 2026, 10, 26, 9, 5)).toBe('Nov 26, 9:05 AM');
    expect(said('zh', 2026, 10, 26, 9, 5)).toBe('11月26日 9:05');
  });
  it('has the year of another year', () => {
    expect(said('en', 2025, 10, 26, 9, 5)).toBe('Nov 26, 2025, 9:05 AM');
  });
});

it('names a language, and leaves what is no code as it is', () => {
  expect(languageName('zh', 'en')).toBe('Chinese');
  expect(languageName('en', 'zh')).toBe('英语');
  expect(languageName('!', 'en')).toBe('!');
});
