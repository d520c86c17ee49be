// follow.js URL TOKEN eventsource|fetch: follows a run to its end over breaks, and prints what it is told, a line each.
import { EventSource } from 'eventsource';

const [url, token, how] = process.argv.slice(2);
const print = (what) => console.log(JSON.stringify(what));

/** As in a browser: it connects again by itself, until it is answered with 204. */
const byEventSource = () => {
  const source = new EventSource(`${url}?access_token=${token}`);
  source.onmessage = (event) => print({ id: event.lastEventId, data: JSON.parse(event.data) });
  source.onerror = (event) => {
    if (source.readyState === EventSource.CLOSED) print({ status: event.code });
  };
};

/** The stream's lines, read as they come. */
const byFetch = async () => {
  let lastId = null;
  for (;;) {
    const headers = { Authorization: `Bearer ${token}`, ...(lastId ? { 'Last-Event-ID': lastId } : {}) };
    try {
      const response = await fetch(url, { headers });
      if (response.status !== 200) return print({ status: response.status });
      let text = '';
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + part).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) {
          const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)));
          lastId = fields.id ?? lastId;
          if (fields.data) print({ id: lastId, data: JSON.parse(fields.data) });
        }
      }
    } catch {
      // cut off: on with the last id
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

await (how === 'fetch' ? byFetch() : byEventSource());
