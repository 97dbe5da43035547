// What the engine does: the stream of figures, kept for a minute, and the map of experts.

import {call, CallError, events} from './server';

export interface Start {
  model: string; stream: string; interval_ms: number; layers: number; experts_per_layer: number;
  slots: number; slot_bytes: number; experts: string;
}
interface Sample {
  interval_ns: number; tokens: number; running: number; waiting: number; hits: number; misses: number;
  read_bytes: number; read_busy_ns: number; wait_ns: number; changes?: string; experts?: string;
}

export const USED = 4;
export const placeOf = (byte: number) => byte & 3;  // 0 on the device, 1 being read, 2 in memory, 3 not known
export const heatOf = (byte: number) => byte >> 3;  // 0 ... 7; 3 is the mean of the layer

export const SPAN_S = 60;
const SMOOTH_S = 2;
const LONGEST_PAUSE_MS = 5000;

// Rates over the last two seconds; null where there is nothing to divide by.
export interface Figures {
  tokens: number; hits: number | null; bytes: number | null; disk: number; compute: number;
}
export type State = 'connecting' | 'live' | 'lost' | 'key';

const bytesOf = (text: string) => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

export class Live {
  state: State = 'connecting';
  start: Start | null = null;
  running = 0;
  waiting = 0;
  experts = new Uint8Array();
  times: number[] = [];
  history: Figures[] = [];
  private recent: Sample[] = [];
  private watchers = new Set<() => void>();
  private control: AbortController | null = null;
  private pause_ms = 0;
  private timer = 0;

  constructor() {
    document.addEventListener('visibilitychange', () => document.hidden ? this.close() : this.open());
    this.open();
  }

  watch(watcher: () => void) {
    this.watchers.add(watcher);
    return () => { this.watchers.delete(watcher); };
  }

  get figures(): Figures {
    return this.history.at(-1) ?? {tokens: 0, hits: null, bytes: null, disk: 0, compute: 0};
  }

  // Begins to look, unless nobody would see it.
  open() {
    this.close();
    if (document.hidden) return;
    const control = this.control = new AbortController();
    this.follow(control.signal).catch(error => {
      if (control.signal.aborted) return;
      this.running = this.waiting = 0;
      this.state = error instanceof CallError && error.status === 401 ? 'key' : 'lost';
      this.tell();
      if (this.state === 'key') return;
      this.pause_ms = Math.min(LONGEST_PAUSE_MS, this.pause_ms * 2 + 500);
      this.timer = window.setTimeout(() => this.open(), this.pause_ms);
    });
  }

  private close() {
    clearTimeout(this.timer);
    this.control?.abort();
  }

  private async follow(signal: AbortSignal) {
    for await (const {name, data} of events(await call('/v1/sluice/live', signal))) {
      const event = JSON.parse(data);
      if (name === 'start') this.begin(event);
      else if (name === 'sample') this.take(event);
    }
    throw new CallError('The server has ended.');
  }

  private begin(start: Start) {
    this.state = 'live';
    this.start = start;
    this.pause_ms = 0;
    this.recent = [];
    this.experts = bytesOf(start.experts);
    this.tell();
  }

  private take(sample: Sample) {
    if (sample.experts !== undefined) this.experts = bytesOf(sample.experts);
    if (sample.changes) this.change(bytesOf(sample.changes));
    this.running = sample.running;
    this.waiting = sample.waiting;
    this.recent.push(sample);
    if (this.recent.length > SMOOTH_S * 1000 / this.start!.interval_ms) this.recent.shift();
    const now = Date.now() / 1000;
    this.times.push(now);
    this.history.push(this.rates());
    while (this.times[0] < now - SPAN_S) { this.times.shift(); this.history.shift(); }
    this.tell();
  }

  private change(changes: Uint8Array) {
    for (let i = 0, at = 0; i < changes.length; at++) {
      let gap = 0, scale = 1, byte;
      do {
        byte = changes[i++];
        gap += (byte & 127) * scale;
        scale *= 128;
      } while (byte & 128);
      at += gap;
      this.experts[at] = changes[i++];
    }
  }

  private rates(): Figures {
    const sum = (name: 'interval_ns' | 'tokens' | 'hits' | 'misses' | 'read_bytes' | 'read_busy_ns' | 'wait_ns') =>
      this.recent.reduce((total, sample) => total + sample[name], 0);
    const time_ns = sum('interval_ns'), tokens = sum('tokens'), asked = sum('hits') + sum('misses');
    const active_ns = this.recent.reduce((total, each) => total + (each.running ? each.interval_ns : 0), 0);
    return {
      tokens: tokens * 1e9 / time_ns,
      hits: asked ? sum('hits') / asked : null,
      bytes: tokens ? sum('read_bytes') / tokens : null,
      disk: Math.min(1, sum('read_busy_ns') / time_ns),
      compute: Math.min(1, Math.max(0, active_ns - sum('wait_ns')) / time_ns),
    };
  }

  private tell() { for (const watcher of this.watchers) watcher(); }
}
