import { useCallback, useState } from 'react';
import type { Segment } from './segments';
import { type Change, useEdit } from './transcript';

/** What a person writes: the text, and who says it (null: nobody knows). */
export type Draft = { text: string; speaker: string | null };

/** A segment that is being edited, as it was, and what was written so far. */
type Open = { before: Segment; draft: Draft };

/** Edits one segment at a time. */
export type Editing = {
  open: Open | null;
  edit: (segment: Segment) => void;
  close: () => void;
  save: (draft: Draft) => void;
  /** Bring back the machine's version, which is shown at once. */
  restore: (machine: Segment) => void;
};

/** An edit that the server did not take: nothing of it is lost. */
export type Refused = { error: Error; again: () => void; dismiss: () => void };

export function useEditing(runId: string): { editing: Editing; refused: Refused | null } {
  const [open, setOpen] = useState<Open | null>(null);
  const [failed, setFailed] = useState<(Open & { error: Error }) | null>(null);
  const { mutate } = useEdit(runId);
  const edit = useCallback((segment: Segment) => setOpen({ before: segment, draft: draftOf(segment) }), []);
  const send = (change: Change, shown: Segment, draft: Draft) => {
    if (!open) return;
    const { before } = open;
    setOpen(null);
    setFailed(null);
    mutate({ before, shown, change }, { onError: (error) => setFailed({ before, draft, error }) });
  };
  const save = (draft: Draft) => {
    if (!open) return;
    const change = changeOf(open.before, draft);
    if (change) send(change, shownAs(open.before, draft), draft);
    else setOpen(null);
  };
  const restore = (machine: Segment) => send({ text: null, speaker: null }, machine, draftOf(machine));
  const close = () => setOpen(null);
  const refused = failed && {
    error: failed.error,
    again: () => {
      setOpen({ before: failed.before, draft: failed.draft });
      setFailed(null);
    },
    dismiss: () => setFailed(null),
  };
  return { editing: { open, edit, close, save, restore }, refused };
}

export function draftOf({ text, speaker }: Segment): Draft {
  return { text, speaker: speaker ?? null };
}

/** Return what a draft changes; null if nothing. */
export function changeOf(before: Segment, { text, speaker }: Draft): Change | null {
  const said = text.trim().replace(/\s+/g, ' ');
  const change: Change = {};
  if (said !== before.text) change.text = said;
  if (speaker !== (before.speaker ?? null)) change.speaker = speaker;
  return Object.keys(change).length > 0 ? change : null;
}

/** Return the segment as the server will have it, but for the words' times. */
export function shownAs(before: Segment, draft: Draft): Segment {
  const { text = before.text } = changeOf(before, draft) ?? {};
  return { ...before, text: text ?? before.text, speaker: draft.speaker, edited: true };
}
