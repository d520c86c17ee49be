// ask.js URL KEY FILE formats|stream|models|error: asks with OpenAI's package, and prints what it makes of the answer.
import fs from 'node:fs';
import OpenAI from 'openai';

const [baseURL, apiKey, path, what] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = (more) =>
  client.audio.transcriptions.create({ file: fs.createReadStream(path), model: 'whisper-1', ...more });

const questions = {
  async formats() {
    const answers = {};
    for (const format of ['json', 'text', 'srt', 'vtt']) answers[format] = await ask({ response_format: format });
    answers.verbose_json = await ask({
      response_format: 'verbose_json',
      timestamp_granularities: ['word', 'segment'],
    });
    return answers;
  },
  async stream() {
    const events = [];
    for await (const event of await ask({ stream: true })) events.push(event);
    return events;
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return ids;
  },
  async error() {
    try {
      return await ask({ model: 'nosuch' });
    } catch ({ constructor, status, code, param, requestID }) {
      return { kind: constructor.name, status, code, param, requestID };
    }
  },
};

console.log(JSON.stringify(await questions[what]()));
