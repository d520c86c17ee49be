import type { TFunction } from 'i18next';
import type { Segment } from './segments';

/*
 * Who speaks: labels as the machine or a person gave them, the names people gave to these, and channels. Pure.
 */

/** Names by label; as the server has it, a channel's label is `Channel 0`. */
export type Names = Readonly<Record<string, string>>;

/** Colours that `SegmentRow.module.css` has for speakers. */
const COLOURS = 8;

/** Return the label of who speaks, or else of the channel; null where nobody knows. */
export function speakerOf({ speaker, channel }: Segment): string | null {
  return speaker ?? (typeof channel === 'number' ? `Channel ${channel}` : null);
}

/** Return all labels, in the order of first words. */
export function speakersOf(segments: readonly Segment[]): string[] {
  const labels = new Set<string>();
  for (const segment of segments) {
    const label = speakerOf(segment);
    if (label !== null) labels.add(label);
  }
  return [...labels];
}

/** Return what a speaker is called: the name given, else a text that says which one it is. */
export function nameOf(label: string, names: Names, t: TFunction<'transcript'>): string {
  const channel = /^Channel (\d+)$/.exec(label)?.[1];
  if (Object.hasOwn(names, label) && names[label]) return names[label];
  if (channel) return t('speakers.channel', { number: channel });
  return /^\d+$/.test(label) ? t('speakers.numbered', { number: label }) : label;
}

/** Return a label that nobody has, for somebody whom the machine took for another. */
export function newLabel(labels: readonly string[]): string {
  let number = 1;
  while (labels.includes(`${number}`)) number += 1;
  return `${number}`;
}

/**
 * Return which colour a speaker has: by the label's number, so that it stays whoever else is heard. With more speakers than
 * colours some share one, and names still tell them apart.
 */
export function colourOf(label: string, labels: readonly string[]): number {
  const number = /^(?:Channel )?(\d{1,6})$/.exec(label)?.[1];
  return Math.max(0, number ? Number(number) : labels.indexOf(label)) % COLOURS;
}
