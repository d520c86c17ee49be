import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { api, body, type Schemas } from '../../api/client';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Fault } from '../../ui/Fault';
import { type Engines, engineOf, useEngines } from '../uploads/engines';
import { OptionsForm } from '../uploads/OptionsForm';
import { DEFAULTS, type Fields, fieldsOf, type Options } from '../uploads/options';
import styles from './AgainDialog.module.css';
import type { Run } from './runs';

type Props = { run: Run; onClose: () => void };

/** Asks with which options a recording is to be transcribed once more, beside what there is of it. */
export function AgainDialog({ run, onClose }: Props) {
  const { t } = useTranslation('recordings');
  const { t: ui } = useTranslation('ui');
  const engines = useEngines();
  const [options, setOptions] = useState(() => optionsOf(run, engines));
  const engine = engineOf(engines, options.lane);
  const again = useAgain(run, onClose);
  const begin = (force: boolean) => again.mutate({ ...fieldsOf(options, engine), force });
  return (
    <Dialog title={t('again.title', { name: run.filename })} onClose={onClose}>
      <p>{t('again.what')}</p>
      <OptionsForm options={options} onChange={setOptions} engines={engines} engine={engine} />
      {again.error && <Fault error={again.error} />}
      {again.data && (
        <p role="status">
          {t('again.reused')} <Link href={`/runs/${again.data.runId}`}>{t('again.open')}</Link>
        </p>
      )}
      <div className={styles.actions}>
        <Button onClick={onClose}>{ui('close')}</Button>
        <Button kind="primary" disabled={again.isPending} onClick={() => begin(again.data !== undefined)}>
          {t(again.isPending ? 'again.running' : again.data ? 'again.force' : 'again.begin')}
        </Button>
      </div>
    </Dialog>
  );
}

/** Begin another run; without `force` the answer may be one that has the same options already, which is then to be told. */
function useAgain({ audioId }: Run, onBegun: () => void) {
  const queryClient = useQueryClient();
  const which = { path: { audio_id: audioId } };
  return useMutation({
    mutationFn: async (wishes: Fields & { force: boolean }) => {
      // The description's types want all that has a default, too.
      const asked = wishes as Schemas['AgainOptions'];
      return body(await api.POST('/api/audios/{audio_id}/transcribe', { params: which, body: asked }));
    },
    onSuccess: async ({ reused }) => {
      if (!reused) onBegun();
      await queryClient.invalidateQueries({ queryKey: ['runs'] });
    },
  });
}

/** What the run was asked, to begin with. */
function optionsOf({ engine, model, language, options }: Run, engines: Engines | undefined): Options {
  const own = engines?.items.find((item) => item.engine === engine && item.model === model);
  return {
    ...DEFAULTS,
    lane: own?.lane ?? '',
    language: language ?? '',
    translate: options.task === 'translate',
    speakers: options.diarize ? 'diarize' : options.channels === 'separate' ? 'channels' : 'together',
    hotwords: options.hotwords?.join(', ') ?? '',
  };
}
