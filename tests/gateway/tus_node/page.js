// In a page, after tus-js-client: uploads a file; is left in the middle; goes on when it is opened again, and tells how.
const seen = JSON.parse(sessionStorage.getItem('seen') ?? '[]');
const bytes = Uint8Array.from(atob(audio), (letter) => letter.charCodeAt(0));
const file = new File([bytes], 'talk.wav', { type: 'audio/wav', lastModified: 1 });
const upload = new tus.Upload(file, {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: file.name, filetype: file.type, language: 'de' },
  chunkSize: 200_000,
  retryDelays: [0, 100, 500], // the request that was left may still be under way
  removeFingerprintOnSuccess: true,
  onAfterResponse: (request, response) => {
    const [offset, runId] = ['Upload-Offset', 'Lingoloop-Run-Id'].map((name) => response.getHeader(name) ?? null);
    seen.push({ method: request.getMethod(), status: response.getStatus(), offset: Number(offset), runId });
    sessionStorage.setItem('seen', JSON.stringify(seen));
  },
  onChunkComplete: (_, accepted) => {
    if (accepted < 400_000 || sessionStorage.getItem('left')) return;
    sessionStorage.setItem('left', 'yes');
    location.reload();
  },
  onError: (error) => console.log('failed', String(error)),
  onSuccess: () => console.log('done', seen, Object.keys(localStorage)),
});

upload.findPreviousUploads().then((previous) => {
  if (previous.length) upload.resumeFromPreviousUpload(previous[0]);
  upload.start();
});
