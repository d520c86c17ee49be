import { expect, test } from 'vitest';
import { expectWhole, gate, hasWords, isDone, look, openTab, setStage, until, upload, WORK } from './stage';

setStage();

test.each(['refuse', 'swallow'] as const)(
  'where streams are blocked (%s) progress is polled, and once they get through they are used again',
  async (mode) => {
    gate.become(mode);
    const runId = await upload(5 * WORK);
    const page = await openTab(runId);
    const blocked = await until(
      page,
      (tab) => tab.frames.filter(({ chunksDone }) => chunksDone > 0).length > 1,
    );
    expect(blocked.connections).toContainEqual([runId, 'polling']);
    expect(blocked.troubles.map(({ code }) => code)).toContain('stream_blocked');
    gate.become('pass');
    await until(page, hasWords(1));
    const before = gate.polls;
    await until(page, hasWords(4));
    expect(gate.polls).toBe(before);
  },
);

test('what streams would have told while they were blocked comes with its words once they get through', async () => {
  const runId = await upload(2 * WORK);
  const page = await openTab(runId);
  await until(page, hasWords(1));
  gate.become('refuse');
  await until(page, (tab) => tab.connections.some(([, state]) => state === 'polling'));
  const { length } = (await look(page)).frames;
  await until(page, ({ frames }) => frames.length > length);
  gate.become('pass');
  await expectWhole(await until(page, isDone), runId);
});

test('a run that ends while streams are blocked ends here too', async () => {
  gate.become('refuse');
  const runId = await upload(70);
  const tab = await until(await openTab(runId), isDone);
  expect([tab.frames.at(0)?.event, tab.frames.at(-1)?.status]).toEqual(['init', 'succeeded']);
});
