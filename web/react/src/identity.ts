/** Whose stream it is: tabs that show the same owner's runs of the same server share one. */

/** The owner that a JWT names; null for what is none, like an API key. Nothing is checked here: the server does that. */
export function ownerOf(token: string): string | null {
  try {
    const part = token.split('.')[1]?.replace(/-/g, '+').replace(/_/g, '/') ?? '';
    const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' ? sub : null;
  } catch {
    return null;
  }
}

/**
 * The name by which tabs find each other: a hash, since other scripts of the origin can list names.
 *
 * An API key does not say whose it is and stands for its owner; of its 256 random bits a hash gives nothing away.
 * Null where tabs cannot share: on plain http, or in an old browser.
 */
export async function groupName(baseUrl: string, token: string): Promise<string | null> {
  if (!navigator.locks || typeof BroadcastChannel === 'undefined' || !globalThis.crypto?.subtle) return null;
  const server = new URL(baseUrl || '/', location.href).href.replace(/\/$/, '');
  const text = JSON.stringify([server, ownerOf(token) ?? token]);
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return `lingoloop-${[...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
