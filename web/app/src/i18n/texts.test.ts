import { describe, expect, it } from 'vitest';
import en from './en';
import zh from './zh';

/** Return all keys, with the plural forms of one text as one: Chinese has no plural. */
function keys(texts: object, path = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]) =>
    typeof value === 'object'
      ? keys(value as object, `${path}${key}.`)
      : [`${path}${key.replace(/_(one|other)$/, '')}`],
  );
}

function holes(texts: object): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (value: object, path: string) => {
    for (const [key, text] of Object.entries(value)) {
      if (typeof text === 'object') visit(text as object, `${path}${key}.`);
      else
        found.set(`${path}${key.replace(/_(one|other)$/, '')}`, [...text.matchAll(/{{\w+/g)].sort().join());
    }
  };
  visit(texts, '');
  return found;
}

describe('the texts', () => {
  it('have the same keys in both languages', () => {
    expect([...new Set(keys(zh))].sort()).toEqual([...new Set(keys(en))].sort());
  });

  it('name the same values in both languages', () => {
    const english = holes(en);
    for (const [key, found] of holes(zh)) expect(`${key}: ${found}`).toBe(`${key}: ${english.get(key)}`);
  });

  it('leave none empty', () => {
    for (const texts of [en, zh]) expect(JSON.stringify(texts)).not.toContain('""');
  });
});
