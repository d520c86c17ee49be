import { readFile } from 'node:fs/promises';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** What becomes of event streams: they pass, are answered 502, or wait for an answer that never comes. */
export type Mode = 'pass' | 'refuse' | 'swallow';

/** One origin for the page and the server; counts event streams, and stands in their way when told to. */
export class Gate {
  mode: Mode = 'pass';
  /** The query of each stream that was asked for. */
  asked: URLSearchParams[] = [];
  polls = 0;
  readonly #streams = new Set<ServerResponse>();
  readonly #server = http.createServer((request, response) => this.#serve(request, response));

  constructor(
    private readonly target: number,
    private readonly page: string,
  ) {}

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get open(): number {
    return this.#streams.size;
  }

  /** Let events pass or not, and break what is open. */
  become(mode: Mode): void {
    this.mode = mode;
    for (const response of this.#streams) response.destroy();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://here');
    if (url.pathname === '/api/runs/events') this.#stream(url, request, response);
    else if (url.pathname.startsWith('/api/')) {
      if (url.pathname.endsWith('/progress')) this.polls += 1;
      this.#pass(request, response);
    } else await this.#file(url.pathname, response);
  }

  #stream(url: URL, request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(url.searchParams);
    if (this.mode === 'refuse') return void response.writeHead(502).end();
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    if (this.mode === 'pass') this.#pass(request, response);
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method, url: path, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port: this.target, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  async #file(path: string, response: ServerResponse): Promise<void> {
    const name = path === '/' ? '/index.html' : path;
    try {
      const bytes = await readFile(join(this.page, name));
      response
        .writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream' })
        .end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
}
