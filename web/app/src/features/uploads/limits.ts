import type { Schemas } from '../../api/client';
import { ApiError } from '../../api/problem';

export type Limits = Schemas['Limits'];

const NO_RECORDING = /^(image|font)\/|^application\/(pdf|zip|json|msword|vnd\.)/;

/** Return why a file need not be sent at all; null where it has to be tried. */
export function refusal(file: File, limits: Limits | null): ApiError | null {
  if (limits && file.size > limits.uploadBytes) {
    return new ApiError(413, { code: 'too_large', detail: '' });
  }
  if (NO_RECORDING.test(file.type)) return new ApiError(415, { code: 'not_audio', detail: '' });
  return null;
}
