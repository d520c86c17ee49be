import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { openBrowser } from './browser';
import { Gate } from './gate';
import type { Tab } from './pieces/tab';
import { Server } from './server';
import { noise } from './sound';

/** Seconds of sound. With 50 ms of work a second, and all in one slot, some ten seconds of work. */
export const WORK = 200;
const SETTINGS = {
  ENGINE: 'simulated',
  SIMULATED_MS_PER_SECOND: '50',
  MAX_CONCURRENT_JOBS: '1',
  POLL_INTERVAL_MS: '500',
};

let folder: string;
export let server: Server;
let browser: Browser;
export let gate: Gate;
let url: string;
let context: BrowserContext;
export let token: string;
let owners = 0;

/** Before the tests of a file: the pieces as others get them, a page of another app that uses them, a server, a browser. */
export function setStage(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lingoloop-pieces-'));
    const pieces = join(folder, 'pieces');
    await viteBuild('../react', pieces);
    await viteBuild('pieces', join(folder, 'page'), { PIECES: pieces });
    [server, browser] = await Promise.all([Server.start(SETTINGS), openBrowser()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    gate = new Gate(server.port, join(folder, 'page'));
    url = await gate.listen();
    context = await browser.newContext({ locale: 'en-GB' });
    owners += 1;
    await signIn(`owner-${owners}`);
  });

  afterEach(async () => {
    await context.close();
    gate.close();
  });
}

/** Whose tabs are opened, and whose recordings uploaded, from here on. */
export async function signIn(owner: string): Promise<void> {
  token = await server.token(owner);
}

/** Build as for production: the tests' own environment says something else. */
async function viteBuild(root: string, outDir: string, settings: Record<string, string> = {}): Promise<void> {
  const vite = join(import.meta.dirname, '../node_modules/.bin/vite');
  await promisify(execFile)(vite, ['build', '--outDir', outDir, '--emptyOutDir'], {
    cwd: join(import.meta.dirname, root),
    env: { ...process.env, NODE_ENV: 'production', ...settings },
  });
}

async function call<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  const headers = { ...init.headers, Authorization: `Bearer ${token}` };
  const answer = await fetch(server.url + path, { ...init, headers });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json() as Promise<Answer>;
}

export async function upload(seconds: number): Promise<string> {
  const headers = { 'Content-Type': 'audio/wav' };
  const path = '/api/audios?filename=noise.wav&model=long&force=1';
  return (await call<{ runId: string }>(path, { method: 'POST', headers, body: noise(seconds) })).runId;
}

/** The words of a run as they are stored, by index. */
export async function stored(runId: string): Promise<number[]> {
  const page = await call<{ items: { index: number }[] }>(`/api/runs/${runId}/segments?limit=1000`);
  return page.items.map(({ index }) => index);
}

export async function openTab(runId: string): Promise<Page> {
  const page = await context.newPage();
  const seen = {
    frames: [],
    fetched: [],
    global: [],
    troubles: [],
    completed: [],
    statuses: [],
    connections: [],
  };
  await page.addInitScript(
    (tab) => {
      window.tab = tab;
    },
    { token, runId, ...seen } satisfies Tab,
  );
  await page.goto(url);
  return page;
}

export const look = (page: Page): Promise<Tab> => page.evaluate(() => window.tab);

export async function until(page: Page, condition: (tab: Tab) => unknown, seconds = 60): Promise<Tab> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const tab = await look(page);
    if (condition(tab)) return tab;
    if (Date.now() > end)
      throw new Error(`waited in vain; the tab has seen ${JSON.stringify({ ...tab, token: '' })}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const hasWords = (count: number) => (tab: Tab) => indexes(tab).length >= count;
export const isDone = (tab: Tab) => tab.completed.length > 0 && tab.frames.at(-1)?.event === 'done';
export const indexes = (tab: Tab) =>
  tab.frames.flatMap(({ segments }) => segments?.map(({ index }) => index) ?? []);
const sorted = (numbers: number[]) => [...numbers].sort((a, b) => a - b);

/** All words came, none twice by the stream; one `init` and one `done`; progress never went back. */
export async function expectWhole(tab: Tab, runId: string): Promise<void> {
  const told = indexes(tab);
  expect(new Set(told).size).toBe(told.length);
  expect(sorted([...new Set([...tab.fetched, ...told])])).toEqual(await stored(runId));
  const events = tab.frames.map(({ event }) => event);
  expect([events.at(0), events.at(-1)]).toEqual(['init', 'done']);
  expect(events.filter((event) => event !== 'update')).toHaveLength(2);
  const done = tab.frames.map(({ chunksDone }) => chunksDone);
  expect(done).toEqual(sorted(done));
  expect(tab.completed).toEqual([true]);
}
