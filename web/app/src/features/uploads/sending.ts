import type { DetailedError } from 'tus-js-client';
import { api, body, type Schemas, tokenIn } from '../../api/client';
import { ApiError, readProblem } from '../../api/problem';
import { freshToken, tokenRefused } from '../../session/session';
import { asMetadata } from './options';
import type { Happenings } from './queue';
import type { Upload } from './upload';

const ENDPOINT = '/api/uploads';
const CHUNK_BYTES = 8 * 1024 * 1024;

/** Send an upload, once: what to do after a failure is the queue's to decide. */
export async function send(upload: Upload, stop: AbortSignal, happenings: Happenings): Promise<void> {
  try {
    if (upload.source?.kind === 'file') await sendFile(upload, upload.source.file, stop, happenings);
    else happenings.done(await ask(upload, stop));
  } catch (error) {
    if (!stop.aborted) happenings.failed(error instanceof ApiError ? error : unreachable());
  }
}

/** Let the server drop an upload; if it does not hear of it, it does so by itself later. */
export async function drop(address: string): Promise<void> {
  const headers = { 'Tus-Resumable': '1.0.0', Authorization: `Bearer ${await freshToken()}` };
  await fetch(address, { method: 'DELETE', headers, keepalive: true }).catch(() => {});
}

async function sendFile(
  upload: Upload,
  file: File,
  stop: AbortSignal,
  happenings: Happenings,
): Promise<void> {
  const tus = await import('tus-js-client');
  if (stop.aborted) return;
  const sending = new tus.Upload(file, {
    // Without an endpoint it begins no second upload where it cannot go on with the first; the queue does, when it must.
    endpoint: upload.address ? null : `${location.origin}${ENDPOINT}`,
    uploadUrl: upload.address,
    metadata: { filename: upload.name, filetype: file.type, ...asMetadata(upload.fields) },
    chunkSize: CHUNK_BYTES,
    retryDelays: null,
    storeFingerprintForResuming: false,
    async onBeforeRequest(request) {
      const token = await freshToken();
      stop.throwIfAborted();
      request.setHeader('Authorization', `Bearer ${token}`);
      if (request.getMethod() === 'POST') request.setHeader('Idempotency-Key', upload.key);
    },
    onUploadUrlAvailable() {
      // On this page's origin, also where a proxy does not tell the server what that is.
      sending.url = location.origin + new URL(sending.url ?? '').pathname;
      happenings.located(sending.url);
    },
    onProgress: happenings.progressed,
    onChunkComplete: (_, arrived) => happenings.arrived(arrived),
    onSuccess({ lastResponse }) {
      const runId = lastResponse.getHeader('Lingoloop-Run-Id') ?? '';
      happenings.done({ runId, reused: lastResponse.getHeader('Lingoloop-Reused') === 'true' });
    },
    async onError(error) {
      const fault = await readFault(error as DetailedError);
      const lost = fault.status === 0 && !(await canBeRead(file));
      if (stop.aborted) return;
      if (lost) happenings.lost();
      else happenings.failed(fault);
    },
  });
  stop.addEventListener('abort', () => sending.abort());
  sending.start();
}

async function readFault(error: DetailedError): Promise<ApiError> {
  const answer = error.originalResponse;
  const status = answer?.getStatus() ?? 0;
  if (!answer || status < 400) return unreachable(); // no answer, or one that is not this protocol's
  if (status === 401) tokenRefused(tokenIn(error.originalRequest.getHeader('Authorization')));
  const headers = new Headers();
  for (const name of ['Retry-After', 'X-Request-Id']) {
    const value = answer.getHeader(name);
    if (value) headers.set(name, value);
  }
  return new ApiError(status, await readProblem(new Response(answer.getBody() || '{}', { status, headers })));
}

function unreachable(): ApiError {
  return new ApiError(0, { code: 'unreachable', detail: '' });
}

async function canBeRead(file: File): Promise<boolean> {
  return file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}

/** Ask for a run that needs no bytes. */
async function ask(upload: Upload, signal: AbortSignal): Promise<{ runId: string; reused: boolean }> {
  const header = { 'Idempotency-Key': upload.key };
  if (upload.source?.kind === 'link') {
    const fields = { ...upload.fields, url: upload.source.url };
    return accepted(
      body(await api.POST('/api/audios', { body: fields as never, params: { header }, signal })),
    );
  }
  if (upload.source?.kind !== 'again') throw new Error('nothing to send');
  const path = { run_id: upload.source.runId };
  const { audioId } = body(await api.GET('/api/runs/{run_id}', { params: { path }, signal }));
  const answer = await api.POST('/api/audios/{audio_id}/transcribe', {
    body: { ...upload.fields, force: true } as Schemas['AgainOptions'],
    params: { path: { audio_id: audioId }, header },
    signal,
  });
  return accepted(body(answer));
}

function accepted({ runId, reused }: { runId: string; reused?: boolean | null }) {
  return { runId, reused: reused ?? false };
}
