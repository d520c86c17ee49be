import { useTranslation } from 'react-i18next';
import { Confirm } from './Confirm';
import { type Choice, useReplay } from './letters';

type Props = { choice: Choice; onClose: () => void; onDone: (result: string) => void };

/** Asks before dead letters are put back, and tells how many were. */
export function ReplayDialog({ choice, onClose, onDone }: Props) {
  const { t } = useTranslation('workers');
  const replay = useReplay();
  const confirm = () =>
    replay.mutate(choice, {
      onSuccess: ({ replayed, remaining }) => {
        const left = remaining ? ` ${t('stillLeft', { count: remaining })}` : '';
        onDone((replayed ? t('replayed', { count: replayed }) : t('replayedNone')) + left);
        onClose();
      },
    });
  const whose =
    'ids' in choice
      ? t('replayThese', { count: choice.ids.length })
      : 'code' in choice
        ? t('replayOfCode', { code: choice.code })
        : t('replayEvery');
  return (
    <Confirm
      title={t('replayTitle')}
      action={t('replay')}
      busy={replay.isPending}
      error={replay.error}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>{whose}</p>
      <p>{t('replayMeans')}</p>
    </Confirm>
  );
}
