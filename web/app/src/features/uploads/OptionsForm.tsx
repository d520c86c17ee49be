import { type ReactNode, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { type Engine, type Engines, engineName } from './engines';
import { followsChanges, languagesOf } from './languages';
import styles from './OptionsForm.module.css';
import { can, HOTWORD_LONGEST, HOTWORDS_MOST, hotwordsFit, hotwordsIn, knows, type Options } from './options';

type Props = {
  options: Options;
  onChange: (options: Options) => void;
  engines: Engines | undefined;
  engine: Engine | undefined;
};

/** How recordings that are added from now on are to be transcribed. */
export function OptionsForm({ options, onChange, engines, engine }: Props) {
  const { t } = useTranslation('uploads');
  const change = (some: Partial<Options>) => onChange({ ...options, ...some });
  return (
    <details className={styles.options}>
      <summary>
        {t('options.title')} <Summary options={options} engine={engine} />
      </summary>
      <div className={styles.fields}>
        <Language options={options} change={change} engine={engine} />
        <EngineChoice options={options} change={change} engines={engines} />
        <Speakers options={options} change={change} engine={engine} engines={engines} />
        <Hotwords options={options} change={change} engine={engine} engines={engines} />
        <Translate options={options} change={change} engine={engine} engines={engines} />
        <Priority options={options} change={change} />
      </div>
    </details>
  );
}

type Change = { options: Options; change: (some: Partial<Options>) => void };
type OfEngine = { engine: Engine | undefined };
type OfEngines = { engines: Engines | undefined };

/** What is chosen, in brief, so that it can be seen while the form is closed. */
function Summary({ options, engine }: { options: Options } & OfEngine) {
  const { t, i18n } = useTranslation('uploads');
  const language = languagesOf(engine, i18n.language).find(([code]) => code === options.language)?.[1];
  const chosen = [
    options.language === 'multi' ? t('options.multi') : (language ?? t('options.anyLanguage')),
    engine && engineName(engine),
    options.speakers !== 'together' &&
      can(engine, options.speakers) &&
      t(`options.speakers.${options.speakers}`),
    options.hotwords && can(engine, 'hotwords') && t('options.hotwords'),
    options.translate && can(engine, 'translate') && t('options.translate'),
  ];
  return <span className={styles.summary}>{chosen.filter(Boolean).join(' · ')}</span>;
}

function Field({
  label,
  note,
  children,
}: {
  label: string;
  note?: ReactNode;
  children: (ids: Ids) => ReactNode;
}) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-note` })}
      <p id={`${id}-note`} className={styles.note}>
        {note}
      </p>
    </div>
  );
}
type Ids = { id: string; 'aria-describedby': string };

function Language({ options, change, engine }: Change & OfEngine) {
  const { t, i18n } = useTranslation('uploads');
  const { language } = options;
  return (
    <Field label={t('options.language')} note={!knows(engine, language) && t('options.unknownLanguage')}>
      {(ids) => (
        <select {...ids} value={language} onChange={(event) => change({ language: event.target.value })}>
          <option value="">{t('options.automatic')}</option>
          {followsChanges(engine) && <option value="multi">{t('options.multi')}</option>}
          {!knows(engine, language) && <option value={language}>{language}</option>}
          {languagesOf(engine, i18n.language).map(([code, name]) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function EngineChoice({ options, change, engines }: Change & OfEngines) {
  const { t } = useTranslation('uploads');
  if (!engines || engines.items.length < 2) return null;
  const chosen = engines.items.some(({ lane }) => lane === options.lane) ? options.lane : '';
  return (
    <Field label={t('options.engine')}>
      {(ids) => (
        <select {...ids} value={chosen} onChange={(event) => change({ lane: event.target.value })}>
          <option value="">{t('options.serversChoice', { name: engineName(engines.default) })}</option>
          {engines.items.map((item) => (
            <option key={item.lane} value={item.lane}>
              {item.alive ? engineName(item) : t('options.asleep', { name: engineName(item) })}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Speakers({ options, change, engine, engines }: Change & OfEngine & OfEngines) {
  const { t } = useTranslation('uploads');
  const values = ['together', 'diarize', 'channels'] as const;
  const cannot = useCannot(engine, engines);
  const note = can(engine, 'diarize') ? t('options.channelsHint') : cannot('diarize');
  return (
    <Field label={t('options.speakers.label')} note={note}>
      {(ids) => (
        <select
          {...ids}
          value={options.speakers}
          onChange={(event) => change({ speakers: event.target.value as Options['speakers'] })}
        >
          {values.map((value) => (
            <option key={value} value={value} disabled={value !== 'together' && !can(engine, value)}>
              {t(`options.speakers.${value}`)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Hotwords({ options, change, engine, engines }: Change & OfEngine & OfEngines) {
  const { t } = useTranslation('uploads');
  const cannot = useCannot(engine, engines);
  const fit = hotwordsFit(hotwordsIn(options.hotwords));
  const tooMuch = t('options.hotwordsTooMuch', { most: HOTWORDS_MOST, longest: HOTWORD_LONGEST });
  const note = !can(engine, 'hotwords') ? cannot('hotwords') : fit ? t('options.hotwordsHint') : tooMuch;
  return (
    <Field label={t('options.hotwords')} note={note}>
      {(ids) => (
        <textarea
          {...ids}
          rows={2}
          value={options.hotwords}
          aria-invalid={!fit}
          disabled={!can(engine, 'hotwords')}
          onChange={(event) => change({ hotwords: event.target.value })}
        />
      )}
    </Field>
  );
}

function Translate({ options, change, engine, engines }: Change & OfEngine & OfEngines) {
  const { t } = useTranslation('uploads');
  const cannot = useCannot(engine, engines);
  const able = can(engine, 'translate');
  return (
    <Field label={t('options.text')} note={!able && cannot('translate')}>
      {(ids) => (
        <select
          {...ids}
          value={options.translate && able ? 'translate' : ''}
          disabled={!able}
          onChange={(event) => change({ translate: event.target.value !== '' })}
        >
          <option value="">{t('options.asSpoken')}</option>
          <option value="translate">{t('options.translate')}</option>
        </select>
      )}
    </Field>
  );
}

function Priority({ options, change }: Change) {
  const { t } = useTranslation('uploads');
  return (
    <Field label={t('options.priority.label')}>
      {(ids) => (
        <select
          {...ids}
          value={options.priority}
          onChange={(event) => change({ priority: Number(event.target.value) })}
        >
          <option value={10}>{t('options.priority.before')}</option>
          <option value={0}>{t('options.priority.normal')}</option>
          <option value={-10}>{t('options.priority.after')}</option>
        </select>
      )}
    </Field>
  );
}

/** Return what says that an engine cannot do something, and which ones can. */
function useCannot(engine: Engine | undefined, engines: Engines | undefined) {
  const { t } = useTranslation('uploads');
  return (ability: 'diarize' | 'hotwords' | 'translate') => {
    if (!engine) return '';
    const others = engines?.items.filter((item) => item.can.includes(ability)).map(engineName) ?? [];
    const what = t(`options.cannot.${ability}`, { name: engineName(engine) });
    return others.length ? `${what} ${t('options.these', { names: others.join(', ') })}` : what;
  };
}
