// A conversation: what was said, and the box to go on with it.

import {useEffect, useRef, useState} from 'preact/hooks';
import {Markdown} from './markdown';
import {call, CallError, events} from './server';
import {readSettings} from './settings';

interface ToolCall { id: string; name: string; arguments: string }
interface Message {
  role: 'user' | 'assistant' | 'tool'; content: string; reasoning?: string; calls?: ToolCall[]; call_id?: string;
  error?: string; note?: string; live?: boolean;
}

const IDEAS = ['Write a short story about Luna the owl.', 'What is the capital of France?', 'What is 7 + 8?'];

// In the shape of the API; thoughts and what failed are not sent again.
const sent = (messages: Message[]) => messages.filter(each => !each.error || each.content).map(each => ({
  role: each.role, content: each.content,
  ...(each.calls?.length ? {tool_calls: each.calls.map(one => ({id: one.id, type: 'function',
    function: {name: one.name, arguments: one.arguments}}))} : {}),
  ...(each.call_id ? {tool_call_id: each.call_id} : {}),
}));

function request(messages: Message[], think: boolean) {
  const {system, temperature, longest, tools} = readSettings();
  return {
    messages: [...(system ? [{role: 'system', content: system}] : []), ...sent(messages)],
    stream: true, stream_options: {include_usage: true},
    ...(think ? {reasoning_effort: 'high'} : {}),
    ...(temperature === '' ? {} : {temperature: Number(temperature)}),
    ...(longest === '' ? {} : {max_tokens: Number(longest)}),
    ...(tools.trim() ? {tools: JSON.parse(tools)} : {}),
  };
}

function take(message: Message, delta: any) {
  message.content += delta.content ?? '';
  message.reasoning = (message.reasoning ?? '') + (delta.reasoning_content ?? '');
  for (const each of delta.tool_calls ?? []) {
    const calls = message.calls ??= [];
    const one = calls[each.index] ??= {id: '', name: '', arguments: ''};
    one.id ||= each.id ?? '';
    one.name += each.function?.name ?? '';
    one.arguments += each.function?.arguments ?? '';
  }
}

async function stream(messages: Message[], think: boolean, message: Message, signal: AbortSignal, changed: () => void) {
  const begin = performance.now();
  for await (const {data} of events(await call('/v1/chat/completions', signal, request(messages, think)))) {
    if (data === '[DONE]') return;
    const part = JSON.parse(data);
    if (part.error) throw new CallError(part.error.message);
    if (part.choices?.[0]) take(message, part.choices[0].delta ?? {});
    if (part.usage) {
      const seconds = (performance.now() - begin) / 1000, tokens = part.usage.completion_tokens;
      message.note = `${tokens} tokens in ${seconds.toFixed(1)} s`;
    }
    changed();
  }
}

function Bubble({message, answered, onResult}: {message: Message; answered: Set<string>; onResult: (call: ToolCall, result: string) => void}) {
  const who = {user: 'You', assistant: 'Model', tool: 'Tool'}[message.role];
  return <article class={'message ' + message.role} aria-label={who} aria-busy={message.live}>
    {message.reasoning && <details class="thoughts">
      <summary>{message.live && !message.content ? 'Thinking…' : 'Thoughts'}</summary><Markdown text={message.reasoning} />
    </details>}
    <Markdown text={message.content} />
    {message.live && !message.content && !message.reasoning && <p class="dots" aria-label="Waiting for the first word"><i /><i /><i /></p>}
    {message.calls?.map(one => <form class="tool" onSubmit={event => {
      event.preventDefault();
      onResult(one, String(new FormData(event.currentTarget).get('result')));
    }}>
      <p>calls <strong>{one.name}</strong></p><pre tabIndex={0}><code>{one.arguments}</code></pre>
      {!message.live && !answered.has(one.id) &&
        <div class="row"><input name="result" aria-label={'Result of ' + one.name} placeholder="what it answers" required />
          <button>Answer</button></div>}
    </form>)}
    {message.error && <p class="error" role="alert">{message.error}</p>}
    {message.note && <p class="note">{message.note}</p>}
  </article>;
}

export function Chat() {
  const [messages, setMessages] = useState<Message[]>([]);
  const [text, setText] = useState('');
  const [think, setThink] = useState(false);
  const [control, setControl] = useState<AbortController | null>(null);
  const log = useRef<HTMLDivElement>(null), box = useRef<HTMLTextAreaElement>(null), follows = useRef(true);

  useEffect(() => { if (follows.current) log.current!.scrollTop = log.current!.scrollHeight; });
  useEffect(() => {
    box.current!.style.height = 'auto';
    box.current!.style.height = `${Math.min(200, box.current!.scrollHeight + 2)}px`;
  }, [text]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => { if (event.key === 'Escape') control?.abort(); };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [control]);

  async function answer(before: Message[]) {
    const message: Message = {role: 'assistant', content: '', live: true};
    const shown = () => setMessages([...before, {...message}]);
    const abort = new AbortController();
    setControl(abort);
    follows.current = true;
    shown();
    try {
      await stream(before, think, message, abort.signal, shown);
    } catch (error) {
      if (abort.signal.aborted) message.note = 'stopped';
      else message.error = error instanceof Error ? error.message : String(error);
    }
    message.live = false;
    setControl(current => {
      if (current === abort) shown();  // not when a new conversation has begun
      return current === abort ? null : current;
    });
  }

  const ask = (content: string) => {
    if (control || !content.trim()) return;
    setText('');
    answer([...messages, {role: 'user', content}]);
  };
  const renew = () => { control?.abort(); setControl(null); setMessages([]); box.current!.focus(); };
  const answered = new Set(messages.map(each => each.call_id ?? ''));
  const result = (one: ToolCall, content: string) => {
    const more: Message[] = [...messages, {role: 'tool', content, call_id: one.id}];
    const open = messages.flatMap(each => each.calls ?? []).filter(each => each.id !== one.id && !answered.has(each.id));
    if (open.length) setMessages(more); else answer(more);
  };

  return <section class="chat" aria-label="Chat">
    <div class="log" ref={log} role="log" aria-live="off" tabIndex={0} aria-label="Conversation" onScroll={event => {
      const view = event.currentTarget;
      follows.current = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    }}>
      {messages.length === 0 && <div class="empty"><h2>What shall it tell you?</h2>
        <div class="ideas">{IDEAS.map(idea => <button type="button" onClick={() => ask(idea)}>{idea}</button>)}</div></div>}
      {messages.map(message => <Bubble message={message} answered={answered} onResult={result} />)}
    </div>
    <p class="hidden" role="status">{control ? 'The model answers' : messages.length ? 'The answer has ended' : ''}</p>
    <form class="composer" onSubmit={event => { event.preventDefault(); ask(text); }}>
      <textarea ref={box} rows={1} value={text} aria-label="Message" placeholder="Write a message" autofocus
        onInput={event => setText(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          ask(text);
        }} />
      <div class="row">
        <label class="switch"><input type="checkbox" checked={think} onChange={event => setThink(event.currentTarget.checked)} />Think first</label>
        <span class="space" />
        <button type="button" onClick={renew} disabled={messages.length === 0}>New conversation</button>
        {control ? <button type="button" class="main" title="Escape" onClick={() => control.abort()}>Stop</button>
                 : <button class="main" disabled={!text.trim()}>Send</button>}
      </div>
    </form>
  </section>;
}
