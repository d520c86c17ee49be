import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { copy } from './clipboard';

const SAY_MS = 2_500;

type Outcome = 'copied' | 'notCopied';
type Props = { text: () => string | Promise<string>; children: ReactNode };

/** Copies a text, and says whether it did. */
export function CopyButton({ text, children }: Props) {
  const { t } = useTranslation('transcript');
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useEffect(() => {
    if (!outcome) return;
    const timer = setTimeout(() => setOutcome(null), SAY_MS);
    return () => clearTimeout(timer);
  }, [outcome]);
  const press = () =>
    copy(text()).then(
      () => setOutcome('copied'),
      () => setOutcome('notCopied'),
    );
  return (
    <>
      <Button kind="quiet" onClick={press}>
        {outcome ? t(outcome) : children}
      </Button>
      <span role="status" className="visually-hidden">
        {outcome && t(outcome)}
      </span>
    </>
  );
}
