import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openBrowser, seriousFindings, type Visit, visit } from './browser.ts';
import { Server, TALK } from './server.ts';

let server: Server;
let browser: Browser;
let visitor: Visit;
let finished: string;

beforeAll(async () => {
  // One slot, so that there is something to watch, and the smaller model, so that it does not last.
  const settings = { MAX_CONCURRENT_JOBS: '1', MODEL: 'tiny.en' };
  [server, browser] = await Promise.all([Server.start(settings), openBrowser()]);
  finished = await server.upload(TALK, { language: 'en' });
  await server.ended(finished);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

afterEach(async () => {
  expect(visitor.faults).toEqual([]);
  await visitor.context.close();
});

async function open(path: string, options = {}): Promise<Page> {
  visitor = await visit(browser, server, path, options);
  return visitor.page;
}

type Listed = { items: { index: number; text: string }[] };

/** Wait for a run's end on the page, and check that it shows each segment that the server has, once, in order. */
async function showsAll(page: Page, runId: string): Promise<void> {
  await server.ended(runId);
  const { items } = (await (await server.call(`/api/runs/${runId}/segments?limit=1000`)).json()) as Listed;
  await page.locator('progress').waitFor({ state: 'detached' });
  const last = items.at(-1);
  // The list is virtual: only what is near is in the page.
  await page.getByPlaceholder('Find in the text').fill(last?.text.trim() ?? '');
  await page.locator(`[data-segment="${last?.index}"]`).waitFor();
  const shown = await page
    .locator('[data-segment]')
    .evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset.segment)));
  expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b));
}

const isProgress = (page: Page) => page.locator('progress').isVisible();

it('shows the words of a real recording while it is being transcribed', async () => {
  const page = await open('/');
  const buffer = Buffer.concat(Array(2).fill(await readFile(TALK))); // an Ogg file may be two in a row
  const input = page.locator('section input[type=file][multiple]');
  await input.setInputFiles({ name: 'long.ogg', mimeType: 'audio/ogg', buffer });
  await page.getByRole('link', { name: 'long.ogg', exact: true }).first().click();
  await page.getByText('Welcome back to our small show').first().waitFor();
  expect(await isProgress(page)).toBe(true);
  await showsAll(page, page.url().split('/').at(-1) ?? '');
});

it('plays a word that is clicked, and goes by keys', async () => {
  const page = await open(`/runs/${finished}`);
  await page.getByText('Good morning').waitFor();
  expect(await page.title()).toBe('talk.ogg · LingoLoop');
  const sound = page.locator('audio');
  const at = () => sound.evaluate((element: HTMLAudioElement) => element.currentTime);
  const isPaused = () => sound.evaluate((element: HTMLAudioElement) => element.paused);
  await page.locator('[data-word]', { hasText: 'morning' }).first().click();
  await expect.poll(at, { timeout: 20_000 }).toBeGreaterThan(8);
  expect(await isPaused()).toBe(false);
  await page.locator('h1').click();
  await page.keyboard.press('Space');
  await expect.poll(isPaused).toBe(true);
  const before = await at();
  await page.keyboard.press('j');
  await expect.poll(at).toBeLessThan(before - 2);
  expect(await seriousFindings(page)).toEqual([]);
});

it('opens at the moment that a link names', async () => {
  const page = await open(`/runs/${finished}#t=150`);
  await page.locator('audio').waitFor({ state: 'attached' });
  await expect
    .poll(() => page.getByText('2:30', { exact: false }).first().isVisible(), { timeout: 20_000 })
    .toBe(true);
});

it('keeps a correction beside what the machine wrote, and exports it', async () => {
  const page = await open(`/runs/${finished}`);
  await page.getByRole('button', { name: 'Edit what is said at 0:00' }).click();
  await page.getByLabel('What is said', { exact: true }).fill('Welcome, everybody. <b>Not bold</b>');
  await page.keyboard.press('Control+Enter');
  await page.getByText('Welcome, everybody. <b>Not bold</b>').waitFor();
  await page.getByRole('button', { name: 'Export' }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: /^TXT/ }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('talk.txt');
  expect(await readFile(await download.path(), 'utf8')).toContain('Welcome, everybody. <b>Not bold</b>');
  await page.keyboard.press('Escape');
  await page.getByLabel("Machine's version").check();
  await page.getByText('Welcome back to our small show').waitFor();
});

it('goes on after a cancel, and over a reload in the middle', async () => {
  const page = await open('/'); // all that takes its time, before there is something to be late for
  const runId = await server.upload(TALK, { force: '1' });
  await page.goto(`${server.url}/runs/${runId}`);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('Welcome back to our small show').waitFor();
  await page.reload();
  await page.getByText('Welcome back to our small show').waitFor();
  await showsAll(page, runId);
});

it('goes on when the server was killed and is back, in both tabs', async () => {
  const runId = await server.upload(TALK, { force: '1' });
  const page = await open(`/runs/${runId}`);
  const other = await visitor.context.newPage();
  await other.goto(`${server.url}/runs/${runId}`);
  await page.getByText('Welcome back to our small show').waitFor();
  await server.kill();
  await server.run();
  for (const tab of [page, other]) await showsAll(tab, runId);
});

it('is in Chinese for who reads Chinese, and can be switched', async () => {
  const page = await open(`/runs/${finished}`, { locale: 'zh-CN' });
  await page.getByRole('button', { name: '导出' }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
  await page.getByLabel('语言').selectOption('en');
  await page.getByRole('button', { name: 'Export' }).waitFor();
});
