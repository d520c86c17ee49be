import { expect, it } from 'vitest';
import { causeOf } from './causes';
import en from './en.json';

it('has what to do for each cause that there is a text for', () => {
  for (const code of Object.keys(en.causes)) expect(causeOf(code)[0]).toBe(code);
});

it.each(['made_up', 'toString', ''])('says something of the code "%s" too', (code) => {
  expect(causeOf(code)).toEqual(['unknown', 'retryOrAsk']);
});
