import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openBrowser, seriousFindings, type Visit, visit } from './browser.ts';
import { Server } from './server.ts';

const MOST = 30_000_000;
/** Many channels, many samples: large files are short, and soon transcribed. */
const [CHANNELS, RATE] = [2, 192_000];

let browser: Browser;
let server: Server;
let folder: string;
let visitor: Visit;
let token: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lingoloop-uploads-'));
  server = await Server.start({
    ENGINE: 'simulated',
    SIMULATED_MS_PER_SECOND: '0',
    MAX_UPLOAD_BYTES: `${MOST}`,
    ALLOW_PRIVATE_ADDRESSES: '1',
  });
  token = await server.token();
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

afterEach(async () => {
  expect(visitor.faults).toEqual([]);
  await visitor.context.close();
});

/** Open the list of recordings; `speed` is how many bytes a second go up. */
async function open(speed = -1): Promise<Page> {
  visitor = await visit(browser, server);
  const { page, context } = visitor;
  page.on('dialog', (dialog) => dialog.accept());
  const line = await context.newCDPSession(page);
  await line.send('Network.enable');
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: speed };
  await line.send('Network.emulateNetworkConditions', conditions);
  return page;
}

/** Write a recording of noise, which is like no other, and return its path. */
async function recording(name: string, size: number): Promise<string> {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(size - 8, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(CHANNELS, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(2 * CHANNELS * RATE, 28);
  head.writeUInt16LE(2 * CHANNELS, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(size - 44, 40);
  const path = join(folder, name);
  await writeFile(path, Buffer.concat([head, randomBytes(size - 44)]));
  return path;
}

const choose = (page: Page, ...paths: string[]) =>
  page.locator('section input[type=file][multiple]').setInputFiles(paths);
const row = (page: Page, name: string) =>
  page.getByRole('region', { name: 'Uploads' }).getByRole('listitem').filter({ hasText: name });
const press = (page: Page, name: string, what: string) =>
  row(page, name)
    .getByRole('button', { name: new RegExp(`^${what}`) })
    .click();

/** Wait until an upload is done, and return its run as the server tells it. */
async function runOf(
  page: Page,
  name: string,
): Promise<Record<string, unknown> & { id: string; audioId: string }> {
  const link = row(page, name).getByRole('link', { name: 'Open' });
  await link.waitFor({ timeout: 90_000 });
  return ask(`/api${await link.getAttribute('href')}`);
}

async function ask(path: string) {
  const answer = await fetch(server.url + path, {
    headers: { Authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  return answer.json();
}

const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function hasWholly(path: string, audioId: string): Promise<void> {
  const audio = await ask(`/api/audios/${audioId}`);
  expect(audio.sha256).toBe(sum(await readFile(path)));
}

/** Gather the requests that bring or ask for an upload's bytes. */
function watch(page: Page): Request[] {
  const seen: Request[] = [];
  page.on('request', (request) => request.url().includes('/api/uploads') && seen.push(request));
  return seen;
}

const offsets = (requests: Request[]) =>
  requests.filter((one) => one.method() === 'PATCH').map((one) => Number(one.headers()['upload-offset']));

async function until(page: Page, name: string, text: RegExp): Promise<void> {
  await row(page, name).filter({ hasText: text }).waitFor({ timeout: 90_000 });
}

it('takes files that are dropped, with the options that were chosen', async () => {
  const page = await open();
  await page.getByText('Options:').click();
  await page.getByLabel('Language spoken').selectOption({ label: 'German' });
  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    const head = atob('UklGRiR9AABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQB9AAA=');
    for (const [index, name] of ['one.wav', 'two.wav'].entries()) {
      const sound = new Uint8Array(32_044).fill(index);
      sound.set(Uint8Array.from(head, (letter) => letter.charCodeAt(0)));
      data.items.add(new File([sound], name, { type: 'audio/wav' }));
    }
    return data;
  });
  await page.dispatchEvent('body', 'dragover', { dataTransfer: dropped });
  await page.getByText('Let go to add them').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: dropped });
  for (const name of ['one.wav', 'two.wav'])
    expect(await runOf(page, name)).toMatchObject({ filename: name, language: 'de' });
  expect(await seriousFindings(page)).toEqual([]);
  await page.reload();
  await page.getByText('Options: German').waitFor();
});

it('pauses, goes on from there, and sees to it while another page is looked at', async () => {
  const page = await open(4_000_000);
  const seen = watch(page);
  const path = await recording('paused.wav', 20_000_000);
  await choose(page, path);
  await until(page, 'paused.wav', /[3-9]\d%/);
  await press(page, 'paused.wav', 'Pause');
  await until(page, 'paused.wav', /Paused at/);
  const before = seen.length;
  await page.waitForTimeout(1_000);
  expect(seen).toHaveLength(before);
  await press(page, 'paused.wav', 'Go on');
  await page.getByRole('link', { name: 'Workers' }).click();
  const run = await runOf(page, 'paused.wav');
  const after = seen.slice(before);
  expect(after[0]?.method()).toBe('HEAD');
  expect(offsets(after)[0]).toBeGreaterThan(4_000_000);
  await hasWholly(path, run.audioId);
});

it('offers an upload again after a reload, and goes on with the same file alone', async () => {
  const page = await open(4_000_000);
  const seen = watch(page);
  const path = await recording('reloaded.wav', 20_000_000);
  await choose(page, path);
  await until(page, 'reloaded.wav', /[4-9]\d%/);
  await page.reload();
  await until(page, 'reloaded.wav', /Stopped at [1-9]\d*%/);
  const before = seen.length;
  const input = row(page, 'reloaded.wav').locator('input[type=file]');
  await input.setInputFiles(await recording('other.wav', 20_000_000));
  await until(page, 'reloaded.wav', /other\.wav is another file/);
  expect(await seriousFindings(page)).toEqual([]);
  await input.setInputFiles(path);
  const run = await runOf(page, 'reloaded.wav');
  expect(seen.slice(before).map((one) => one.method())).not.toContain('POST');
  expect(offsets(seen.slice(before))[0]).toBeGreaterThan(1_000_000);
  await hasWholly(path, run.audioId);
  await page.reload();
  await page.getByRole('heading', { name: 'Add recordings' }).waitFor();
  expect(await row(page, 'reloaded.wav').count()).toBe(0);
});

it('is not offered to a second tab while the first is at it', async () => {
  const page = await open(500_000);
  await choose(page, await recording('here.wav', 20_000_000));
  await until(page, 'here.wav', /%/);
  const other = await visitor.context.newPage();
  await other.goto(server.url);
  await other.getByRole('heading', { name: 'Add recordings' }).waitFor();
  await other.waitForTimeout(500);
  expect(await row(other, 'here.wav').count()).toBe(0);
  await press(page, 'here.wav', 'Cancel');
});

it('waits for a server that was killed, and loses and doubles nothing', async () => {
  const page = await open(4_000_000);
  const path = await recording('killed.wav', 20_000_000);
  await choose(page, path);
  await until(page, 'killed.wav', /[3-9]\d%/);
  await server.kill();
  await until(page, 'killed.wav', /The server does not answer\. Next try at/);
  await server.run();
  const run = await runOf(page, 'killed.wav');
  await hasWholly(path, run.audioId);
  const { items } = await ask('/api/audios');
  expect(items.filter((audio: { filename: string }) => audio.filename === 'killed.wav')).toHaveLength(1);
});

it('lets the server drop what is cancelled', async () => {
  const page = await open(2_000_000);
  await choose(page, await recording('cancelled.wav', 20_000_000));
  await until(page, 'cancelled.wav', /%/);
  const ended = page.waitForRequest((request) => request.method() === 'DELETE');
  await press(page, 'cancelled.wav', 'Cancel');
  const answer = await (await ended).response();
  expect(answer?.status()).toBe(204);
  expect(await row(page, 'cancelled.wav').count()).toBe(0);
});

it('tells what was there already, and transcribes it again if that is wanted', async () => {
  const page = await open();
  const path = await recording('twice.wav', 100_000);
  await choose(page, path);
  const first = await runOf(page, 'twice.wav');
  await press(page, 'twice.wav', 'Remove');
  await choose(page, path);
  await until(page, 'twice.wav', /It was there already/);
  expect((await runOf(page, 'twice.wav')).id).toBe(first.id);
  await press(page, 'twice.wav', 'Transcribe again anyway');
  await until(page, 'twice.wav', /Uploaded/);
  const second = await runOf(page, 'twice.wav');
  expect(second.id).not.toBe(first.id);
  expect(second.audioId).toBe(first.audioId);
});

it('tells of what is too large, or no recording, before a byte is sent', async () => {
  const page = await open();
  const seen = watch(page);
  await page.getByText('Each may have up to 30 MB.').waitFor();
  const pdf = join(folder, 'notes.pdf');
  await writeFile(pdf, 'only letters');
  await choose(page, await recording('large.wav', 40_000_000), pdf);
  await until(page, 'large.wav', /larger than the server takes.*It has 40 MB, and may have 30 MB/);
  await until(page, 'notes.pdf', /not a recording/);
  expect(seen).toEqual([]);
  const text = join(folder, 'letters.mp3');
  await writeFile(text, 'only letters '.repeat(100));
  await choose(page, text);
  await until(page, 'letters.mp3', /not a recording that the server can read/);
  expect(await seriousFindings(page)).toEqual([]);
});

it('has the server fetch what lies at an address', async () => {
  const page = await open();
  const path = await recording('fetched.wav', 100_000);
  const far = createServer(async (_, answer) => answer.end(await readFile(path)));
  await new Promise<void>((listening) => far.listen(0, '127.0.0.1', listening));
  await page.getByLabel('Or from a web address').fill('nowhere');
  await page.getByRole('button', { name: 'Fetch' }).click();
  await page.getByText('This is no web address').waitFor();
  const url = `http://127.0.0.1:${(far.address() as AddressInfo).port}/fetched.wav`;
  await page.getByLabel('Or from a web address').fill(url);
  await page.getByRole('button', { name: 'Fetch' }).click();
  const run = await runOf(page, 'fetched.wav');
  await expect
    .poll(async () => (await ask(`/api/runs/${run.id}`)).status, { timeout: 90_000 })
    .toBe('succeeded');
  far.close();
});

it('records from the microphone, by keyboard, and says what to do where it may not', async () => {
  const page = await open();
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('', 'NotAllowedError');
    };
  });
  await page.getByRole('button', { name: 'Record', exact: true }).press('Enter');
  await page.getByRole('alert').filter({ hasText: 'Allow it in the address bar' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Record', exact: true }).press('Enter');
  const stop = page.getByRole('button', { name: 'Stop and add' });
  await stop.waitFor();
  await page.getByRole('timer').filter({ hasText: '0:03' }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await stop.press('Enter');
  const run = await runOf(page, 'Recording 20');
  expect(run.filename).toMatch(/^Recording \d{4}-\d\d-\d\d \d\d\.\d\d\.webm$/);
  const { contentType, sizeBytes } = await ask(`/api/audios/${run.audioId}`);
  expect(contentType).toBe('audio/webm');
  expect(sizeBytes).toBeGreaterThan(10_000); // three seconds, of which the server has found that they are sound
});
