import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBrowser, seriousFindings, watchFaults } from './browser';
import { Provider } from './provider';
import { Server } from './server';

let provider: Provider;
let server: Server;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let faults: string[];

beforeAll(async () => {
  provider = await Provider.listen();
  [server, browser] = await Promise.all([
    Server.start({ ENGINE: 'simulated', ...provider.settings() }),
    openBrowser(),
  ]);
  provider.serve(server.url);
});

afterAll(async () => {
  await browser.close();
  await server.close();
  provider.close();
});

beforeEach(async () => {
  context = await browser.newContext({ locale: 'en-GB' });
  page = await context.newPage();
  faults = watchFaults(page);
});

afterEach(async () => {
  await context.close();
  expect(faults).toEqual([]);
});

it('lets in by the provider, to where the person wanted, and renews the token in time', async () => {
  await page.goto(`${server.url}/workers`);
  await toProvider(page);
  await page.getByRole('link', { name: 'Ann' }).click();
  await page.getByRole('heading', { level: 1, name: 'Workers' }).waitFor();
  expect(page.url()).toBe(`${server.url}/workers`);
  const first = await kept(page);
  expect(first).toMatchObject({ owner: 'ann', scopes: ['admin', 'runs:read', 'runs:write'] });
  // The page asks for the workers every few seconds; within a minute of its end the token is renewed. Two tabs do so
  // in turn: a refresh token that is used twice would end the sign-in at the provider.
  const other = await context.newPage();
  await other.goto(`${server.url}/workers`);
  let last = first.token;
  for (let renewal = 0; renewal < 3; renewal++) {
    await expect.poll(async () => (await kept(page)).token !== last, { timeout: 30_000 }).toBe(true);
    last = (await kept(page)).token;
  }
  expect((await kept(page)).owner).toBe('ann');
  await other.getByText('1 of 1 takes work').waitFor();
  await page.getByText('1 of 1 takes work').waitFor();
});

it('signs out here and, where wanted, at the provider', async () => {
  await page.goto(server.url);
  await toProvider(page);
  await page.getByRole('link', { name: 'Ann' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  expect(
    await page.evaluate(() => Object.keys(localStorage).filter((key) => /oidc|session/.test(key))),
  ).toEqual([]);
  expect(await seriousFindings(page)).toEqual([]);
  // The provider still knows who it is.
  await toProvider(page);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: /^Sign out at 127/ }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.waitForURL(`${server.url}/sign-in`);
  await toProvider(page);
  await page.getByRole('link', { name: 'Ann' }).waitFor();
});

it('says why the provider lets nobody in', async () => {
  await page.goto(server.url);
  await toProvider(page);
  await page.getByRole('link', { name: 'Nobody' }).click();
  await page.getByText(/^Signing in with 127\.0\.0\.1:\d+ did not work/).waitFor();
  await page.getByText('you were refused').waitFor();
  expect(page.url()).toBe(`${server.url}/sign-in`);
  expect(await seriousFindings(page)).toEqual([]);
});

it('says that the token is for somebody else', async () => {
  const audience = provider.audience;
  provider.audience = 'somebody else';
  await page.goto(server.url);
  await toProvider(page);
  await page.getByRole('link', { name: 'Ann' }).click();
  await page.getByText('this server does not take its token').waitFor();
  provider.audience = audience;
  expect(await page.evaluate(() => localStorage.getItem('lingoloop.session'))).toBeNull();
});

it('ignores an answer that nobody asked for', async () => {
  await page.goto(`${server.url}/sign-in?code=stolen&state=made-up`);
  await page.getByText(/did not work/).waitFor();
  expect(page.url()).toBe(`${server.url}/sign-in`);
});

function toProvider(from: Page): Promise<void> {
  return from.getByRole('button', { name: /^Sign in with 127/ }).click();
}

async function kept(from: Page): Promise<{ token: string; owner: string; scopes: string[] }> {
  return JSON.parse((await from.evaluate(() => localStorage.getItem('lingoloop.session'))) ?? '{}');
}
