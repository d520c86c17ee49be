const RATE = 8_000;

/** A WAV file of noise: what is silent would be done without an engine. */
export function noise(seconds: number): Uint8Array<ArrayBuffer> {
  const samples = new Int16Array(RATE * seconds).map(() => (Math.random() - 0.5) * 20_000);
  const file = new Uint8Array(44 + samples.byteLength);
  const view = new DataView(file.buffer);
  const write = (at: number, text: string) => file.set(new TextEncoder().encode(text), at);
  write(0, 'RIFF');
  view.setUint32(4, 36 + samples.byteLength, true);
  write(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, 'data');
  view.setUint32(40, samples.byteLength, true);
  file.set(new Uint8Array(samples.buffer), 44);
  return file;
}
