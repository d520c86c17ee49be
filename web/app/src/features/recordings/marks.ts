/*
 * Where in a text stands what was searched for, as the server looks for it: without differences of case and width; words
 * by their beginning, `"in quotes"` as they are; Chinese and Japanese without spaces. Pure.
 */

/** A part of a text; `marked` where it is what was searched for. */
export type Part = { text: string; marked: boolean };

const UNSPACED =
  '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Bopomofo}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Myanmar}\\p{sc=Khmer}';
const LETTER = `(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}])`;
const PIECE = new RegExp(`[${UNSPACED}]+|${LETTER}+`, 'gu');
const TERM = /"([^"]*)"?|([^\s"]+)/g;
const QUOTES = /[“”„‟«»「」『』]/g;

/** Letters of a word from which on it also stands for longer ones. */
const SHORTEST_BEGINNING = 3;

/** Whether a query asks for anything: the server refuses one without a letter or a digit. */
export function asksForSomething(query: string): boolean {
  return /[\p{L}\p{N}]/u.test(query);
}

/** Cut a text at what a query finds in it. */
export function marks(text: string, query: string): Part[] {
  const pattern = asksForSomething(query) ? patternOf(query) : null;
  if (!pattern) return [{ text, marked: false }];
  const { folded, origins } = foldedWithOrigins(text);
  const parts: Part[] = [];
  let done = 0;
  for (const match of folded.matchAll(pattern)) {
    const start = origins[match.index] ?? text.length;
    const end = origins[match.index + match[0].length] ?? text.length;
    if (start < done || end === start) continue; // inside a letter that was marked already
    if (start > done) parts.push({ text: text.slice(done, start), marked: false });
    parts.push({ text: text.slice(start, end), marked: true });
    done = end;
  }
  if (done < text.length) parts.push({ text: text.slice(done), marked: false });
  return parts;
}

function patternOf(query: string): RegExp | null {
  const terms = [...fold(query).replace(QUOTES, '"').matchAll(TERM)]
    .map(([, quoted, bare]) => termPattern(quoted ?? bare ?? '', quoted !== undefined))
    .filter((term) => term !== '')
    .sort((one, other) => other.length - one.length); // of two that begin alike, the longer
  return terms.length ? new RegExp(terms.join('|'), 'gu') : null;
}

function termPattern(term: string, exact: boolean): string {
  const pieces = term.match(PIECE) ?? [];
  const isUnspaced = new RegExp(`^[${UNSPACED}]`, 'u');
  return pieces
    .map((piece, place) => {
      if (isUnspaced.test(piece)) return piece;
      const longer = place === pieces.length - 1 && !exact && [...piece].length >= SHORTEST_BEGINNING;
      return `(?<!${LETTER})${piece}${longer ? '' : `(?!${LETTER})`}`;
    })
    .join('[^\\p{L}\\p{N}]*');
}

/** Fold a text, and tell for each unit of the result where in the text it comes from. */
function foldedWithOrigins(text: string): { folded: string; origins: number[] } {
  let folded = '';
  const origins: number[] = [];
  for (const { segment, index } of new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)) {
    const part = fold(segment);
    for (let unit = 0; unit < part.length; unit += 1) origins.push(index);
    folded += part;
  }
  return { folded, origins };
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ').normalize('NFKC');
}
