// Calls of the server that this page came from: the key, and events of a stream.

const KEY = 'sluice-key';

export const getKey = () => sessionStorage.getItem(KEY) ?? '';
export const setKey = (key: string) => sessionStorage.setItem(KEY, key);

// What went wrong, in words for people.
export class CallError extends Error {
  constructor(message: string, readonly status = 0) { super(message); }
}

export async function call(path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = {};
  if (getKey()) headers['authorization'] = 'Bearer ' + getKey();
  if (body !== undefined) headers['content-type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(path, {method: body === undefined ? 'GET' : 'POST', headers, signal,
                                body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store'});
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CallError('The server cannot be reached. Is it still running?');
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => null);
  throw new CallError(document?.error?.message ?? `The server answered with status ${answer.status}.`, answer.status);
}

export interface StreamEvent { name: string; data: string }

// The events of a body, as they come.
export async function* events(answer: Response): AsyncGenerator<StreamEvent> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read().catch(error => {
      if (error?.name === 'AbortError') throw error;
      throw new CallError('The connection broke off.');
    });
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event: StreamEvent = {name: '', data: ''};
      for (const line of text.slice(0, end).split('\n')) {
        if (line.startsWith('event: ')) event.name = line.slice(7);
        if (line.startsWith('data: ')) event.data += (event.data ? '\n' : '') + line.slice(6);
      }
      text = text.slice(end + 2);
      yield event;
    }
  }
}
