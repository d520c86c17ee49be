import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { openBrowser, visit } from './browser';
import { Server, TALK } from './server';

const FOLDER = join(import.meta.dirname, '../screenshots');
const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 360, height: 740 } };
const LANGUAGES = { en: 'en-GB', zh: 'zh-CN' };
const THEMES = ['light', 'dark'];

let server: Server;
let browser: Browser;
let done: string;

beforeAll(async () => {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  [server, browser] = await Promise.all([Server.start(), openBrowser()]);
  done = await server.upload(TALK);
  await server.ended(done);
  const broken = await server.upload(join(import.meta.dirname, 'server.ts')).catch(() => null);
  if (broken) await server.ended(broken);
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

type Shot = { name: string; path: () => string; ready: (page: Page) => Promise<unknown> };

const SHOTS: Shot[] = [
  { name: 'recordings', path: () => '/', ready: (page) => page.getByText('talk.ogg').first().waitFor() },
  {
    name: 'transcript',
    path: () => `/runs/${done}`,
    ready: (page) => page.getByText('long recordings').first().waitFor(),
  },
  { name: 'workers', path: () => '/workers', ready: (page) => page.getByText('whisper').first().waitFor() },
  {
    name: 'not-found',
    path: () => '/nowhere',
    ready: (page) => page.getByRole('heading', { level: 1 }).waitFor(),
  },
];

describe.each(Object.entries(SIZES))('%s', (size, viewport) => {
  describe.each(Object.entries(LANGUAGES))('%s', (language, locale) => {
    it.each(THEMES)('%s', async (theme) => {
      const options = { viewport, locale, theme };
      const picture = (page: Page, name: string) =>
        page.screenshot({ path: join(FOLDER, `${name}-${language}-${theme}-${size}.png`) });
      for (const { name, path, ready } of SHOTS) {
        const { context, page } = await visit(browser, server, path(), options);
        await ready(page);
        await picture(page, name);
        await context.close();
      }
      const context = await browser.newContext({
        viewport,
        locale,
        colorScheme: theme === 'dark' ? 'dark' : 'light',
      });
      const page = await context.newPage();
      await page.goto(server.url);
      await page.getByRole('textbox').first().waitFor();
      await picture(page, 'sign-in');
      await context.close();
    });
  });
});
