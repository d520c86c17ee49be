import type { Ability, Engine } from './engines';

/** How recordings are to be transcribed, as the person chose. '' leaves the choice to the server. */
export type Options = {
  language: string;
  /** A lane, which is an engine with its model. */
  lane: string;
  speakers: 'together' | 'diarize' | 'channels';
  hotwords: string;
  translate: boolean;
  priority: number;
};

export const DEFAULTS: Options = {
  language: '',
  lane: '',
  speakers: 'together',
  hotwords: '',
  translate: false,
  priority: 0,
};

/** What the API is asked for; what is left out is the server's default. */
export type Fields = {
  language?: string;
  task?: 'translate';
  engine?: string;
  model?: string;
  diarize?: true;
  channels?: 'separate';
  hotwords?: string[];
  priority?: number;
};

export const HOTWORDS_MOST = 200;
export const HOTWORD_LONGEST = 100;

/** Return the names and terms in a text with commas, also Chinese ones, semicolons or line ends between them. */
export function hotwordsIn(text: string): string[] {
  const words = text.split(/[,，、;；\n]/).map((word) => word.trim());
  return [...new Set(words)].filter(Boolean);
}

/** Whether the server would take the hot words. */
export function hotwordsFit(words: readonly string[]): boolean {
  return words.length <= HOTWORDS_MOST && words.every((word) => word.length <= HOTWORD_LONGEST);
}

/** Whether an engine can do something; one of which nothing is known is asked, and answers for itself. */
export function can(engine: Engine | undefined, ability: Ability): boolean {
  return !engine || engine.can.includes(ability);
}

/** Whether an engine knows a language; '' is that it finds it out. */
export function knows(engine: Engine | undefined, language: string): boolean {
  if (!language || !engine) return true;
  if (language === 'multi') return can(engine, 'multi');
  return !engine.languages || engine.languages.includes(language.split('-')[0] ?? '');
}

/** Return what to ask for: of the options those that the engine can do, so that a kept choice refuses nothing. */
export function fieldsOf(options: Options, engine: Engine | undefined): Fields {
  const fields: Fields = {};
  if (options.language && knows(engine, options.language)) fields.language = options.language;
  if (options.translate && can(engine, 'translate')) fields.task = 'translate';
  if (engine && options.lane === engine.lane) {
    fields.engine = engine.engine;
    if (engine.model) fields.model = engine.model;
  }
  if (options.speakers === 'diarize' && can(engine, 'diarize')) fields.diarize = true;
  if (options.speakers === 'channels' && can(engine, 'channels')) fields.channels = 'separate';
  const words = hotwordsIn(options.hotwords);
  if (words.length && hotwordsFit(words) && can(engine, 'hotwords')) fields.hotwords = words;
  if (options.priority) fields.priority = options.priority;
  return fields;
}

/** Return the fields as tus metadata, whose values are texts. */
export function asMetadata(fields: Fields): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value === true ? '1' : String(value)]),
  );
}

const key = (owner: string) => `lingoloop.options.${owner}`;

/** Return the options that were chosen last on this browser. */
export function keptOptions(owner: string): Options {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(key(owner)) ?? '{}') };
  } catch {
    return DEFAULTS; // written by another version, or by hand
  }
}

export function keepOptions(owner: string, options: Options): void {
  localStorage.setItem(key(owner), JSON.stringify(options));
}
