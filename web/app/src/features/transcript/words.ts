import type { Word } from './segments';

/*
 * Where the words stand in a segment's text. Pure.
 */

/** A part of the text; `word` is the place of the word that it is, null for what is between words. */
export type Piece = { from: number; to: number; word: number | null };

/** Letters that may stand between a word and the next; beyond that the text is taken for another one. */
const REACH = 40;

/** Cut a text into its words and what is between them; together the pieces are the text. */
export function piecesOf(text: string, words: readonly Word[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  words.forEach(({ word }, place) => {
    const said = word.trim();
    const from = said ? text.indexOf(said, at) : -1;
    if (from < 0 || from - at > REACH) return;
    if (from > at) pieces.push({ from: at, to: from, word: null });
    at = from + said.length;
    pieces.push({ from, to: at, word: place });
  });
  if (at < text.length) pieces.push({ from: at, to: text.length, word: null });
  return pieces;
}

/** Below this the machine is more likely wrong than right. */
export const UNSURE = 0.5;
