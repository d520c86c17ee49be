import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from './engines';
import { asMetadata, DEFAULTS, fieldsOf, hotwordsFit, hotwordsIn, keepOptions, keptOptions } from './options';

const ABLE: Engine = {
  engine: 'whisper',
  model: 'base',
  lane: 'whisper.base',
  languages: ['en', 'zh'],
  can: ['multi', 'translate', 'hotwords', 'diarize', 'channels'],
  alive: true,
};
const PLAIN: Engine = { ...ABLE, languages: ['en'], can: [] };
const ALL = {
  language: 'zh-Hans',
  lane: 'whisper.base',
  speakers: 'diarize',
  hotwords: 'Ann, 陈',
  translate: true,
  priority: 10,
} as const;

it.each([
  ['', []],
  ['Ann', ['Ann']],
  ['Ann, Bo,, ,Ann', ['Ann', 'Bo']],
  ['张三，李四、王五；LingoLoop\n赵六', ['张三', '李四', '王五', 'LingoLoop', '赵六']],
])('finds the hot words in %j', (text, words) => {
  expect(hotwordsIn(text)).toEqual(words);
});

it('tells hot words that the server would refuse', () => {
  expect(hotwordsFit(Array(200).fill('a'))).toBe(true);
  expect(hotwordsFit(Array(201).fill('a'))).toBe(false);
  expect(hotwordsFit(['a'.repeat(101)])).toBe(false);
});

describe('the fields', () => {
  it('are none where nothing was chosen', () => {
    expect(fieldsOf(DEFAULTS, ABLE)).toEqual({});
  });

  it('hold what was chosen', () => {
    expect(fieldsOf(ALL, ABLE)).toEqual({
      language: 'zh-Hans',
      engine: 'whisper',
      model: 'base',
      task: 'translate',
      diarize: true,
      hotwords: ['Ann', '陈'],
      priority: 10,
    });
  });

  it('leave out what the engine cannot do', () => {
    expect(fieldsOf(ALL, PLAIN)).toEqual({ engine: 'whisper', model: 'base', priority: 10 });
  });

  it('ask all of an engine of which nothing is known, and name none', () => {
    expect(fieldsOf({ ...ALL, speakers: 'channels', language: 'multi' }, undefined)).toEqual({
      language: 'multi',
      task: 'translate',
      channels: 'separate',
      hotwords: ['Ann', '陈'],
      priority: 10,
    });
  });

  it('are texts in tus metadata', () => {
    expect(asMetadata({ diarize: true, hotwords: ['Ann', '陈'], priority: -10 })).toEqual({
      diarize: '1',
      hotwords: 'Ann,陈',
      priority: '-10',
    });
  });
});

describe('the options of an owner', () => {
  beforeEach(() => localStorage.clear());

  it('are kept, for that owner alone', () => {
    keepOptions('ann', ALL);
    expect(keptOptions('ann')).toEqual(ALL);
    expect(keptOptions('bo')).toEqual(DEFAULTS);
  });

  it('are the defaults where what was kept cannot be read', () => {
    localStorage.setItem('lingoloop.options.ann', '{');
    expect(keptOptions('ann')).toEqual(DEFAULTS);
  });
});
