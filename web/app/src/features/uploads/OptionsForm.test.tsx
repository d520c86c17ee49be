import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import i18next from 'i18next';
import { I18nextProvider, initReactI18next } from 'react-i18next';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import en from '../../i18n/en';
import type { Engines } from './engines';
import { OptionsForm } from './OptionsForm';
import { DEFAULTS, type Options } from './options';

const ENGINES: Engines = {
  default: { engine: 'whisper', model: 'tiny.en' },
  items: [
    { engine: 'whisper', model: 'tiny.en', lane: 'whisper.tiny.en', languages: ['en'], can: [], alive: true },
    {
      engine: 'google',
      model: null,
      lane: 'google',
      languages: null,
      can: ['diarize', 'hotwords'],
      alive: false,
    },
  ],
};

beforeAll(() => i18next.use(initReactI18next).init({ lng: 'en', resources: { en } }));
afterEach(cleanup);

function show(options: Partial<Options>, index: number) {
  const change = vi.fn();
  render(
    <I18nextProvider i18n={i18next}>
      <OptionsForm
        options={{ ...DEFAULTS, ...options }}
        onChange={change}
        engines={ENGINES}
        engine={ENGINES.items[index]}
      />
    </I18nextProvider>,
  );
  return change;
}

const option = (name: string) => screen.getByRole('option', { name, hidden: true }) as HTMLOptionElement;

it('says why the engine cannot do something, and which can', () => {
  show({}, 0);
  const hotwords = screen.getByLabelText('Hot words') as HTMLTextAreaElement;
  expect(hotwords.disabled).toBe(true);
  expect(option('Tell who speaks').disabled).toBe(true);
  screen.getByText('whisper · tiny.en does not tell who speaks. These do: google.');
  screen.getByText('whisper · tiny.en does not translate.');
});

it('offers what the engine can, and tells an engine that nobody runs', () => {
  const change = show({}, 1);
  expect(option('Tell who speaks').disabled).toBe(false);
  option('google (no worker now)');
  fireEvent.change(screen.getByLabelText('Speakers'), { target: { value: 'diarize' } });
  expect(change).toHaveBeenCalledWith({ ...DEFAULTS, speakers: 'diarize' });
});

it('offers the languages of the engine, and keeps one that it does not know in sight', () => {
  show({ language: 'de' }, 0);
  const codes = [...(screen.getByLabelText('Language spoken') as HTMLSelectElement).options].map(
    ({ value }) => value,
  );
  expect(codes).toEqual(['', 'de', 'en']);
  screen.getByText('This engine does not know the language; it will find out by itself.');
});

it('tells too many hot words', () => {
  show({ hotwords: Array.from({ length: 201 }, (_, index) => `word${index}`).join(',') }, 1);
  expect(screen.getByLabelText('Hot words').getAttribute('aria-invalid')).toBe('true');
  screen.getByText(/At most 200/);
});
