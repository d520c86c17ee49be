import { expect, test } from 'vitest';
import {
  expectWhole,
  gate,
  hasWords,
  isDone,
  openTab,
  server,
  setStage,
  signIn,
  until,
  upload,
  WORK,
} from './stage';

setStage();

test('two tabs share one connection, and both see all', async () => {
  const runId = await upload(WORK);
  const pages = [await openTab(runId), await openTab(runId)];
  for (const page of pages) await until(page, hasWords(1));
  expect([gate.open, gate.asked.length]).toEqual([1, 1]);
  for (const page of pages) {
    const tab = await until(page, isDone);
    await expectWhole(tab, runId);
    expect(tab.statuses.at(-1)).toBe('succeeded');
    expect(tab.troubles).toEqual([]);
  }
  expect(gate.asked).toHaveLength(1);
  expect(await pages[0]?.getByRole('status').textContent()).toBe('Transcribed');
});

test('a tab that comes late gets the state from the others, and a run that has ended gives init and done', async () => {
  const runId = await upload(WORK);
  const first = await openTab(runId);
  await until(first, hasWords(3));
  const late = await until(await openTab(runId), isDone);
  expect(late.frames.at(0)?.chunksDone).toBeGreaterThan(0);
  const after = await until(await openTab(runId), isDone);
  expect(after.frames.map(({ event, status }) => [event, status])).toEqual([
    ['init', 'succeeded'],
    ['done', 'succeeded'],
  ]);
  expect(gate.asked).toHaveLength(1);
});

test('when the tab with the connection is closed, the next goes on by id, and nothing is lost or doubled', async () => {
  const runId = await upload(WORK);
  const leader = await openTab(runId);
  await until(leader, hasWords(1));
  const others = [await openTab(runId), await openTab(runId)];
  for (const page of others) await until(page, (tab) => tab.frames.length > 0);
  await leader.close();
  for (const page of others) await expectWhole(await until(page, isDone), runId);
  expect(gate.asked).toHaveLength(2);
  expect(Number(gate.asked[1]?.get('lastEventId'))).toBeGreaterThan(0);
  expect(gate.open).toBe(1);
});

test('when the server dies and comes back, both tabs go on by id', async () => {
  const runId = await upload(WORK);
  const pages = [await openTab(runId), await openTab(runId)];
  for (const page of pages) await until(page, hasWords(2));
  await server.kill();
  for (const page of pages.slice(0, 1)) await until(page, (tab) => tab.troubles.length > 0);
  await server.run();
  for (const page of pages) await expectWhole(await until(page, isDone, 90), runId);
  expect(gate.open).toBe(1);
});

test('a cut stream goes on where it was', async () => {
  const runId = await upload(WORK);
  const page = await openTab(runId);
  await until(page, hasWords(1));
  gate.become('pass');
  await until(page, hasWords(3));
  gate.become('pass');
  await expectWhole(await until(page, isDone), runId);
});

test('two owners in one browser do not hear of each other', async () => {
  const runId = await upload(70);
  const first = await openTab(runId);
  await until(first, (tab) => tab.frames.length > 0);
  await signIn('somebody-else');
  const other = await until(await openTab(runId), (tab) => tab.troubles.length > 0);
  expect(other.troubles.map(({ code }) => code)).toEqual(['not_found']);
  expect(other.frames).toEqual([]);
  expect(other.global.filter((frame) => frame.event !== 'snapshot')).toEqual([]);
  expect(gate.open).toBe(2);
});

test('no token is in an address, and none in a name that tabs use', async () => {
  const runId = await upload(70);
  const page = await openTab(runId);
  await until(page, (tab) => tab.frames.length > 0);
  for (const query of gate.asked) expect(query.get('access_token')).toMatch(/^llt_/);
  const names = await page.evaluate(async () => {
    const { held, pending } = await navigator.locks.query();
    return [...(held ?? []), ...(pending ?? [])].map(({ name }) => name);
  });
  expect(names).toEqual([expect.stringMatching(/^lingoloop-[0-9a-f]{64}$/)]);
});
