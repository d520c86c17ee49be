/**
 * Put a text into the clipboard.
 *
 * The browser is asked at once, while it still counts as the person's wish, also where the text has yet to come.
 *
 * @throws what kept the text from coming; or Error, where the browser does not let pages copy.
 */
export async function copy(text: string | Promise<string>): Promise<void> {
  if (navigator.clipboard) {
    const blob = Promise.resolve(text).then((found) => new Blob([found], { type: 'text/plain' }));
    return navigator.clipboard.write([new ClipboardItem({ 'text/plain': blob })]);
  }
  copySelected(await text);
}

/** The old way: a page that came by plain HTTP, as from a server in one's own network, has no other. */
function copySelected(text: string): void {
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  if (!copied) throw new Error('the browser does not let this page copy');
}
