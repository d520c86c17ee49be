import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const PYTHON = process.env.LINGOLOOP_PYTHON ?? join(ROOT, '.venv/bin/python');

/** The real recording of two people talking that the project carries. */
export const TALK = join(ROOT, 'examples/talk.ogg');

type Settings = Record<string, string>;

/** `lingoloop up` in a folder of its own, on a free port; the port stays when it is started again. */
export class Server {
  private process: ChildProcess | null = null;
  /** The line that invites a person to sign in, as the last start printed it. */
  invitation = '';

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly settings: Settings,
  ) {}

  static async start(settings: Settings = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'lingoloop-web-'));
    await chmod(folder, 0o711); // of root's folders PostgreSQL gets another's rights, and has to pass
    const server = new Server(await freePort(), folder, settings);
    await server.run();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Start it, and wait until it takes uploads. */
  async run(): Promise<void> {
    const started = spawn(
      PYTHON,
      ['-m', 'lingoloop', 'up', '--port', `${this.port}`, '--data', this.folder],
      {
        env: { ...process.env, OPS_PORT: '0', LINGOLOOP_TOKEN: '', LINGOLOOP_URL: '', ...this.settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.process = started;
    this.invitation = '';
    const { stdout, stderr } = started;
    if (!stdout || !stderr) throw new Error('no pipes');
    const said: string[] = [];
    const invited = new Promise<void>((told) => {
      createInterface(stderr).on('line', (line) => {
        said.push(line);
        this.invitation ||= /http\S+#code=\S+/.exec(line)?.[0] ?? '';
        if (this.invitation) told();
      });
    });
    await new Promise<void>((ready, failed) => {
      createInterface(stdout).on('line', (line) => line.startsWith('ready ') && ready());
      started.once('exit', (code) => failed(new Error(`the server ended with ${code}:\n${said.join('\n')}`)));
    });
    await invited;
  }

  /** Return a token as an operator makes one. */
  async token(sub = 'local', scope = 'runs:read runs:write admin'): Promise<string> {
    const words = ['-m', 'lingoloop', 'token', '--data', this.folder, '--sub', sub, '--scope', scope];
    const { stdout } = await promisify(execFile)(PYTHON, words);
    return stdout.trim();
  }

  /** Send a recording, as a script would, and return its run's id; it is answered at once, however short it is. */
  async upload(file: string | File, options: Settings = {}): Promise<string> {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: 'long', ...options })) form.set(name, value);
    form.set('file', typeof file === 'string' ? new File([await readFile(file)], basename(file)) : file);
    const answer = await this.call('/api/audios', { method: 'POST', body: form });
    const { runId } = (await answer.json()) as { runId: string };
    return runId;
  }

  /** Wait until a run has ended, by its stream. */
  async ended(runId: string): Promise<void> {
    const answer = await this.call(`/api/runs/${runId}/events`);
    await answer.text(); // the stream ends with `done`
  }

  /** Call the API as the operator; throw where the answer is no success. */
  async call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${await this.token()}` };
    const answer = await fetch(this.url + path, { ...init, headers });
    if (!answer.ok) throw new Error(`${answer.status} for ${path}: ${await answer.text()}`);
    return answer;
  }

  /** End it at once, as a crash would. */
  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  /** Stop it, and delete what it stored. */
  async close(): Promise<void> {
    await this.end('SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const running = this.process;
    if (!running || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  }
}

/**
 * Return a port that nobody has. It is below the range that clients' own ends come from: inside it, a page that keeps
 * trying while the server is down could take the server's port.
 */
async function freePort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  const listener = createServer();
  try {
    await new Promise<void>((listening, taken) => {
      listener.once('error', taken);
      listener.listen(port, '127.0.0.1', listening);
    });
  } catch {
    return freePort();
  }
  await new Promise((closed) => listener.close(closed));
  return port;
}
