import type { TFunction } from 'i18next';
import { expect, it } from 'vitest';
import { colourOf, nameOf, newLabel, speakerOf, speakersOf } from './speakers';

const said = (more: object) => ({ index: 0, start: 0, end: 0, text: '', ...more });

it.each([
  [{ speaker: '1', channel: 0 }, '1'],
  [{ channel: 0 }, 'Channel 0'],
  [{ speaker: null, channel: null }, null],
  [{}, null],
])('%j is said by %s', (more, label) => {
  expect(speakerOf(said(more))).toBe(label);
});

it('speakers are listed in the order of their first words', () => {
  expect(
    speakersOf([said({ speaker: '2' }), said({}), said({ speaker: '1' }), said({ speaker: '2' })]),
  ).toEqual(['2', '1']);
});

it.each([
  [[], '1'],
  [['1', '2'], '3'],
  [['2', 'Ann'], '1'],
])('a new speaker beside %j is %s', (labels, label) => {
  expect(newLabel(labels)).toBe(label);
});

it.each([
  ['1', 1],
  ['9', 1],
  ['Channel 0', 0],
  ['Ann', 2],
  ['unheard', 0],
])('%s has colour %i', (label, colour) => {
  expect(colourOf(label, ['3', '1', 'Ann'])).toBe(colour);
});

it.each([
  ['1', 'Ann'],
  ['2', 'speakers.numbered 2'],
  ['Channel 0', 'speakers.channel 0'],
  ['constructor', 'constructor'],
])('the speaker %s is called %s', (label, called) => {
  const t = ((key: string, { number }: { number: string }) => `${key} ${number}`) as TFunction<'transcript'>;
  expect(nameOf(label, { '1': 'Ann' }, t)).toBe(called);
});
