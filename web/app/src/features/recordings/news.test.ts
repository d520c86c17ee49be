import { describe, expect, it } from 'vitest';
import { News, statesIn } from './news';
import { aState } from './testing';

describe('news', () => {
  it('is each snapshot: the line was broken before', () => {
    const news = new News();
    expect(news.isIn({ event: 'snapshot', items: [] })).toBe(true);
    expect(news.isIn({ event: 'snapshot', items: [] })).toBe(true);
  });

  it('is a run that is new, and a change of status, but no progress', () => {
    const news = new News();
    news.isIn({ event: 'snapshot', items: [aState('a')] });
    expect(news.isIn({ event: 'update', ...aState('a', { progress: 20 }) })).toBe(false);
    expect(news.isIn({ event: 'update', ...aState('b', { status: 'queued' }) })).toBe(true);
    expect(news.isIn({ event: 'update', ...aState('b', { status: 'queued' }) })).toBe(false);
    expect(news.isIn({ event: 'update', ...aState('b') })).toBe(true);
  });

  it('is the end of a run, and that it is tried again', () => {
    const news = new News();
    news.isIn({ event: 'snapshot', items: [aState('a')] });
    expect(news.isIn({ event: 'done', ...aState('a', { status: 'failed' }) })).toBe(true);
    expect(news.isIn({ event: 'update', ...aState('a', { status: 'queued' }) })).toBe(true);
  });
});

it('takes no words out of frames', () => {
  const frame = { event: 'update' as const, ...aState('a'), segments: [{ text: 'said' }] };
  expect(statesIn(frame)).toEqual([aState('a')]);
});
