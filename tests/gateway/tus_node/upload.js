// upload.js URL TOKEN FILE whole|parallel|broken|deferred: uploads with tus-js-client, and prints what became of it.
import fs from 'node:fs';
import { PassThrough } from 'node:stream';
import * as tus from 'tus-js-client';

const [endpoint, token, path, how] = process.argv.slice(2);
let runId = null;
const options = {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: 'talk.wav', filetype: 'audio/wav', language: 'de' },
  chunkSize: 50_000,
  retryDelays: [0, 100, 500],
  onAfterResponse: (_, response) => {
    runId = response.getHeader('Lingoloop-Run-Id') ?? runId;
  },
};
const ways = {
  whole: {},
  parallel: { parallelUploads: 3, chunkSize: Infinity },
  broken: {},
  deferred: { uploadLengthDeferred: true },
};

/** Uploads, or breaks off after the first chunk; resolves to the upload's address. */
const upload = (more, breakOff = false) =>
  new Promise((resolve, reject) => {
    const file = fs.createReadStream(path);
    const source = more.uploadLengthDeferred ? file.pipe(new PassThrough()) : file; // a stream, its length unknown
    const one = new tus.Upload(source, {
      ...options,
      ...more,
      onError: reject,
      onSuccess: () => resolve(one.url),
      onChunkComplete: () => breakOff && one.abort().then(() => resolve(one.url)),
    });
    one.start();
  });

let url = null;
if (how === 'broken') url = await upload({}, true);
url = await upload({ ...ways[how], ...(url ? { uploadUrl: url } : {}) });
console.log(JSON.stringify({ url, runId }));
