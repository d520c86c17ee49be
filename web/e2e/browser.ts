import axe from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import type { Server } from './server';

/** Open a browser without a window; its microphone hears a beep. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
}

export type Visit = { context: BrowserContext; page: Page; faults: string[] };

/** Open the page as somebody who is signed in; `faults` gathers what the browser complains about. */
export async function visit(
  browser: Browser,
  server: Server,
  path = '/',
  options: BrowserContextOptions & { theme?: string } = {},
): Promise<Visit> {
  const { theme = 'system', ...rest } = options;
  const context = await browser.newContext({
    locale: 'en-GB',
    viewport: { width: 1280, height: 800 },
    ...rest,
  });
  const scopes = ['runs:read', 'runs:write', 'admin'];
  const session = { token: await server.token(), owner: 'local', scopes, expiresAt: null };
  await context.addInitScript(
    ([kept, chosen]) => {
      localStorage.setItem('lingoloop.session', kept ?? '');
      localStorage.setItem('lingoloop.theme', chosen ?? '');
    },
    [JSON.stringify(session), theme],
  );
  const page = await context.newPage();
  const faults = watchFaults(page);
  await page.goto(server.url + path);
  return { context, page, faults };
}

/** Gather what a page must not do: throw, break the policy, ask another host. */
export function watchFaults(page: Page): string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`threw ${error.message}`));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) faults.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, hostname, href } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') faults.push(`asked ${href}`);
    if (/eyJ[\w-]+\.[\w-]+\.[\w-]+/.test(href)) faults.push('sent a token in an address');
  });
  return faults;
}

/** Return what axe finds that is serious or worse, a line each. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // Evaluated in the page's world by the debugger, which no policy of the page forbids.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document);
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
  });
  return found;
}
