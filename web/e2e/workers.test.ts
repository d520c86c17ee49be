import { readFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBrowser, seriousFindings, visit } from './browser';
import { Server, TALK } from './server';

/** What the engine's server does with a piece of sound. */
type Mood = 'waits' | 'refuses' | 'answers';

let mood: Mood = 'waits';
let engine: HttpServer;
let server: Server;
let browser: Browser;
let page: Page;
let faults: string[];
let runId: string;
let token: string;

beforeAll(async () => {
  engine = createServer((request, response) => {
    request.resume();
    const answer = () => {
      if (mood === 'waits') return setTimeout(answer, 100);
      response.writeHead(mood === 'answers' ? 200 : 400, { 'Content-Type': 'application/json' });
      response.end(
        JSON.stringify(
          mood === 'answers' ? { text: 'Good morning.' } : { error: { message: 'no such model' } },
        ),
      );
    };
    request.on('end', answer);
  });
  await new Promise<void>((listening) => engine.listen(0, '127.0.0.1', listening));
  const { port } = engine.address() as AddressInfo;
  const settings = {
    ENGINE: 'openai',
    MODEL: 'gpt-4o-transcribe',
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    OPENAI_API_KEY: 'none',
  };
  [server, browser] = await Promise.all([Server.start(settings), openBrowser()]);
  token = await server.token();
  runId = await uploaded();
  ({ page, faults } = await visit(browser, server, '/workers'));
});

afterAll(async () => {
  await browser.close();
  await server.close();
  engine.closeAllConnections();
  engine.close();
});

it('drains a worker that is busy', async () => {
  await page.getByText(/^[1-9] of \d slots? busy$/).waitFor();
  await page.getByText('1 of 1 takes work').waitFor();
  await page.getByRole('button', { name: /^Drain worker/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('It finishes what it has in hand and takes no more.').waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Drain' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('Draining', { exact: true }).waitFor();
  await expect.poll(() => focused()).toMatch(/^Start worker/);
  mood = 'refuses';
  await page.getByText('Stopped', { exact: true }).waitFor();
  await page.getByText('0 of 1 takes work').waitFor();
});

it('shows what waits, and the last day', async () => {
  const lane = page.getByRole('article', { name: 'openai · gpt-4o-transcribe' });
  await lane.getByText('Audio still to do', { exact: true }).first().waitFor();
  await lane.getByRole('img', { name: /^Waiting, last 24 hours: / }).waitFor();
  await lane.getByText('In numbers').click();
  expect(await lane.getByRole('row').count()).toBe(25);
  expect(await seriousFindings(page)).toEqual([]);
});

it('shows dead letters and puts them back', async () => {
  await page.reload(); // the list is as old as its last look, and all units have ended by now
  const letters = page.getByRole('region', { name: 'Dead letters' });
  await letters.getByText('no such model').first().waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  mood = 'answers';
  await page.getByRole('button', { name: /^Start worker/ }).click();
  await page.getByText('1 of 1 takes work').waitFor();
  await letters.getByLabel(/^Choose (all|the) \d+ shown$/).check();
  await letters.getByRole('button', { name: /^Replay chosen/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
  await letters.getByText(/^\d+ dead letters? (was|were) put back\.$/).waitFor();
  await letters.getByText('Nothing has failed for good.').waitFor();
  expect(await focused()).toBe('Dead letters');
  await expect.poll(() => status(), { timeout: 60_000 }).toBe('succeeded');
  expect(faults).toEqual([]);
});

it('tells who is no operator so', async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  const other = await context.newPage();
  await other.goto(`${server.url}/workers`);
  await other.getByLabel('Token or API key').fill(await server.token('ann', 'runs:read'));
  await other.getByRole('button', { name: 'Sign in' }).click();
  await other.getByText('This page is for operators').waitFor();
  await context.close();
});

/** What has the focus, as a person hears it. */
function focused(): Promise<string | undefined> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.textContent ?? undefined;
  });
}

async function asked(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(server.url + path, { ...init, headers });
  return (await response.json()) as Record<string, unknown>;
}

async function uploaded(): Promise<string> {
  const form = new FormData();
  form.set('file', new Blob([await readFile(TALK)]), 'talk.ogg');
  return (await asked('/api/audios', { method: 'POST', body: form })).runId as string;
}

async function status(): Promise<unknown> {
  return (await asked(`/api/runs/${runId}`)).status;
}
