// The map of experts: a row for each layer, a cell for each expert; cells flash when a token is routed to them.

import {useEffect, useRef, useState} from 'preact/hooks';
import {heatOf, type Live, placeOf, USED} from './live';

const FADE_MS = 500;
const PLACES = ['on the disk', 'being read', 'in memory', 'in the page cache or not'];
const HEATS = ['never used', 'rarely used', 'used less than others', 'used like others', 'hot', 'hot', 'very hot', 'very hot'];

type Colour = [number, number, number];

function colourOf(name: string): Colour {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)) as Colour;
}
const mix = (one: Colour, other: Colour, share: number) =>
  one.map((value, i) => Math.round(value + (other[i] - value) * share)) as Colour;

// Draws what changed, and what still fades.
class Painter {
  private cell_w = 1;
  private cell_h = 1;
  private drawn = new Int16Array();
  private flashes = new Float64Array();  // when each was used last
  private palette: Colour[] = [];
  private flash: Colour = [0, 0, 0];
  private frame = 0;
  private calm = matchMedia('(prefers-reduced-motion: reduce)').matches;

  constructor(private canvas: HTMLCanvasElement, private live: Live) {}

  // For a new size, theme or model.
  fit() {
    const {layers, experts_per_layer: width} = this.live.start!;
    const scale = devicePixelRatio || 1;
    const shown = this.canvas.parentElement!.clientWidth;
    const height = Math.min(16, Math.max(6, shown / width));
    this.canvas.style.height = `${height * layers}px`;
    this.cell_w = Math.max(1, shown * scale / width);
    this.cell_h = Math.max(1, Math.round(height * scale));
    this.canvas.width = Math.round(this.cell_w * width);
    this.canvas.height = this.cell_h * layers;
    const [device, reading, memory, hot] = ['--cell-device', '--cell-reading', '--cell-memory', '--cell-hot'].map(colourOf);
    this.palette = Array.from({length: 64}, (_, byte) => {
      const heat = Math.max(0, heatOf(byte) - 3) / 4;
      return [mix(device, hot, heat * 0.25), reading, mix(memory, hot, heat), mix(device, hot, 0.2 + heat * 0.8)][placeOf(byte)];
    });
    this.flash = colourOf('--cell-flash');
    this.drawn = new Int16Array(this.live.experts.length).fill(-1);
    this.flashes = new Float64Array(this.live.experts.length);
    this.paint();
  }

  update() {
    const now = performance.now();
    if (!this.calm) this.live.experts.forEach((byte, i) => { if (byte & USED) this.flashes[i] = now; });
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  stop() { cancelAnimationFrame(this.frame); }

  private paint() {
    this.frame = 0;
    const now = performance.now(), {experts} = this.live, width = this.live.start!.experts_per_layer;
    const pen = this.canvas.getContext('2d')!;
    let fading = false;
    for (let i = 0; i < experts.length; i++) {
      const left = this.flashes[i] ? 1 - (now - this.flashes[i]) / FADE_MS : 0;
      const step = left > 0 ? Math.ceil(left * 12) : 0;
      fading ||= step > 0;
      const look = (experts[i] & 63) | step << 6;
      if (look === this.drawn[i]) continue;
      this.drawn[i] = look;
      const [r, g, b] = mix(this.palette[experts[i] & 63], this.flash, step / 12 * 0.5);
      pen.fillStyle = `rgb(${r},${g},${b})`;
      const x = Math.round(i % width * this.cell_w), y = Math.floor(i / width) * this.cell_h;
      const gap = this.cell_w >= 5 ? 1 : 0;
      pen.fillRect(x, y, Math.round((i % width + 1) * this.cell_w) - x - gap, this.cell_h - 1);
    }
    if (fading) this.frame = requestAnimationFrame(() => this.paint());
  }
}

export function ExpertMap({live, theme}: {live: Live; theme: string}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<{layer: number; expert: number} | null>(null);
  const {layers, experts_per_layer: width} = live.start!;
  const held = live.experts.reduce((count, byte) => count + (placeOf(byte) === 2 ? 1 : 0), 0);
  useEffect(() => {
    const painter = new Painter(canvas.current!, live);
    painter.fit();
    const sizes = new ResizeObserver(() => painter.fit());
    sizes.observe(canvas.current!.parentElement!);
    const forget = live.watch(() => painter.update());
    return () => { forget(); sizes.disconnect(); painter.stop(); };
  }, [theme, live.start]);
  const point = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const expert = Math.floor((event.clientX - box.left) / box.width * width);
    const layer = Math.floor((event.clientY - box.top) / box.height * layers);
    if (expert >= 0 && expert < width && layer >= 0 && layer < layers) setAt({layer, expert});
  };
  const walk = (event: KeyboardEvent) => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step) return;
    event.preventDefault();
    const from = at ?? {layer: 0, expert: 0};
    setAt({layer: (from.layer + step[0] + layers) % layers, expert: (from.expert + step[1] + width) % width});
  };
  const byte = at ? live.experts[at.layer * width + at.expert] : 0;
  return <section class="card map" aria-label="Map of experts">
    <h2>Experts <span class="quiet">{layers} layers × {width}{live.start!.slots > 0 && `, ${held} of ${layers * width} in memory`}</span></h2>
    <div class="canvas"><canvas ref={canvas} tabIndex={0} role="img"
      aria-label={`${layers} layers of ${width} experts. Arrow keys tell about one.`}
      onPointerMove={point} onPointerLeave={() => setAt(null)} onKeyDown={walk} onBlur={() => setAt(null)} /></div>
    <p class="legend" aria-live="polite">{at
      ? `Layer ${at.layer}, expert ${at.expert}: ${PLACES[placeOf(byte)]}, ${HEATS[heatOf(byte)]}`
      : <><i class="device" />on the disk <i class="reading" />being read <i class="memory" />in memory <i class="hot" />hot <i class="flash" />used now</>}</p>
  </section>;
}
