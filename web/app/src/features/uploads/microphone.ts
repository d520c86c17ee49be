/** Sound formats by preference; browsers differ in what they can record. */
const TYPES = { 'audio/webm;codecs=opus': 'webm', 'audio/ogg;codecs=opus': 'ogg', 'audio/mp4': 'm4a' };

export type Take = {
  /** How loud it is now, 0 to 1. */
  level: () => number;
  /** End it, and hand over the file. */
  stop: () => void;
  /** End it, and forget what was recorded. */
  discard: () => void;
};

/**
 * Record from the microphone until it is stopped, has `most` bytes, or the device goes away.
 * `onEnd` gets the sound and how its file's name ends; null if it was discarded.
 * Rejects with the DOMException of getUserMedia, whose name says why.
 */
export async function record(
  most: number,
  onEnd: (sound: Blob | null, ending: string) => void,
): Promise<Take> {
  if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [type, ending] = Object.entries(TYPES).find(([name]) => MediaRecorder.isTypeSupported(name)) ?? [
    '',
    'webm',
  ];
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
  const meter = meterOf(stream);
  const parts: Blob[] = [];
  let wanted = true;
  let size = 0;
  const stop = () => recorder.state !== 'inactive' && recorder.stop();
  recorder.ondataavailable = ({ data }) => {
    parts.push(data);
    size += data.size;
    if (size >= most) stop();
  };
  recorder.onstop = () => {
    for (const track of stream.getTracks()) track.stop();
    meter.close();
    onEnd(wanted ? new Blob(parts, { type: type.split(';')[0] ?? '' }) : null, ending);
  };
  recorder.start(1000);
  return {
    level: meter.level,
    stop,
    discard() {
      wanted = false;
      stop();
    },
  };
}

function meterOf(stream: MediaStream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level() {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      return Math.min(1, 4 * Math.sqrt(power)); // speech has about a fifth of full scale
    },
    close: () => context.close(),
  };
}

/** Return the key of the text that says why there is no recording, and what to do. */
export function whyNot(error: unknown): 'denied' | 'none' | 'busy' | 'insecure' | 'failed' {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError') return 'denied';
  if (name === 'NotFoundError') return 'none';
  if (name === 'NotReadableError' || name === 'AbortError') return 'busy';
  if (name === 'SecurityError') return 'insecure';
  return 'failed';
}

/** Write a moment so that it may stand in a file's name: `2026-11-27 21.40`. */
export function stamp(moment: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [moment.getFullYear(), two(moment.getMonth() + 1), two(moment.getDate())].join('-');
  return `${day} ${two(moment.getHours())}.${two(moment.getMinutes())}`;
}
