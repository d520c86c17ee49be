import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBrowser, seriousFindings, watchFaults } from './browser';
import { Server } from './server';

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start({ ENGINE: 'simulated' }), openBrowser()]);
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

it('takes a token, keeps it over a reload, and forgets it at the end', async () => {
  const page = await browser.newPage();
  const faults = watchFaults(page);
  await page.goto(`${server.url}/workers`);
  await page.getByLabel('Token or API key').fill('not.a.token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('The server does not take this token').waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByLabel('Token or API key').fill(`Bearer ${await server.token()}`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  // Where the person wanted to go.
  await page.getByRole('heading', { level: 1, name: 'Workers' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  expect(await page.evaluate(() => localStorage.getItem('lingoloop.session'))).toBeNull();
  expect(faults).toEqual([]);
  await page.close();
});

it('lets in by the link that the server printed, once', async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  const faults = watchFaults(page);
  await page.goto(server.invitation);
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  expect(page.url()).toBe(`${server.url}/`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token or API key').waitFor();
  await page.goto('about:blank');
  await page.goto(server.invitation);
  await page.getByText('This link was used before').waitFor();
  expect(page.url()).not.toContain('code');
  // In the same tab a link changes only what is after `#`.
  const tried = page.waitForResponse(`${server.url}/api/sign-in`);
  await page.goto(server.invitation);
  expect((await tried).status()).toBe(401);
  expect(page.url()).not.toContain('code');
  expect(faults).toEqual([]);
  await context.close();
});

it('signs out all tabs together', async () => {
  const context = await browser.newContext({ locale: 'zh-CN' });
  const [first, second] = [await context.newPage(), await context.newPage()];
  await first.goto(server.url);
  await first.getByLabel('令牌或 API 密钥').fill(await server.token());
  await first.getByRole('button', { name: '登录' }).click();
  await second.goto(server.url);
  await second.getByRole('button', { name: '退出登录' }).click();
  await first.getByLabel('令牌或 API 密钥').waitFor();
  await context.close();
});
