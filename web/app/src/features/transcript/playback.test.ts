import { beforeEach, expect, it, vi } from 'vitest';
import { Playback } from './playback';

/** What the playback uses of an audio element. */
class Audio extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  duration = Number.NaN;
  readyState = 4;
  src = '';
  play = vi.fn(async () => this.tell('play'));
  pause = () => this.tell('pause');
  load = () => undefined;
  removeAttribute = () => undefined;
  tell(event: string) {
    this.dispatchEvent(new Event(event));
  }
}

let audio: Audio;
let playback: Playback;
let end: () => void;
const address = vi.fn<() => Promise<string>>();
const settled = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(async () => {
  let ticket = 0;
  address.mockReset().mockImplementation(async () => `content?access_token=${++ticket}`);
  audio = new Audio();
  playback = new Playback(address);
  end = playback.attach(audio as unknown as HTMLAudioElement);
  await settled();
});

it('opens the recording by the address that it is given', () => {
  expect(audio.src).toBe('content?access_token=1');
});

it('goes on where it was when the ticket has ended', async () => {
  playback.setSpeed(1.5);
  playback.toggle();
  audio.currentTime = 42;
  audio.tell('error');
  await settled();
  expect(audio.src).toBe('content?access_token=2');
  expect([audio.currentTime, audio.playbackRate, audio.play.mock.calls.length]).toEqual([42, 1.5, 2]);
  expect(playback.state.broken).toBe(false);
});

it('gives up when a new ticket is no help', async () => {
  audio.tell('error');
  await settled();
  audio.tell('error');
  await settled();
  expect(address).toHaveBeenCalledTimes(2);
  expect(playback.state).toMatchObject({ broken: true, playing: false });
});

it('says so when there is no ticket to be had', async () => {
  address.mockRejectedValue(new Error('unreachable'));
  audio.tell('error');
  await settled();
  expect(playback.state.broken).toBe(true);
});

it('stays inside the recording', () => {
  audio.duration = 60;
  audio.tell('durationchange');
  playback.seek(99);
  expect(audio.currentTime).toBe(60);
  playback.step(-99);
  expect(audio.currentTime).toBe(0);
});

it('has no speed beyond the last', () => {
  for (let press = 0; press < 20; press++) playback.shift(1);
  expect([playback.state.speed, audio.playbackRate]).toEqual([3, 3]);
  for (let press = 0; press < 20; press++) playback.shift(-1);
  expect(playback.state.speed).toBe(0.5);
});

it('tells nobody any more once it has ended', () => {
  const told = vi.fn();
  playback.onMove(told);
  audio.tell('seeking');
  expect(told).toHaveBeenCalledWith(0, true);
  end();
  audio.tell('seeking');
  expect(told).toHaveBeenCalledTimes(1);
});
