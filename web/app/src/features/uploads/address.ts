/** Return the web address in a text, null if it is none. */
export function addressIn(text: string): string | null {
  const url = URL.parse(text.trim());
  return url && ['http:', 'https:'].includes(url.protocol) ? url.href : null;
}
