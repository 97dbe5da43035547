// Four live curves of the last minute.

import {useEffect, useRef, useState} from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import {type Figures, type Live, SPAN_S} from './live';

const HEIGHT = 96;

export const percent = (share: number | null) => share === null ? '–' : `${Math.round(share * 100)} %`;

export function bytes(count: number | null) {
  if (count === null) return '–';
  for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['KB', 1e3]] as const) {
    if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  }
  return `${Math.round(count)} B`;
}

const rate = (value: number) => value >= 100 ? value.toFixed(0) : value.toFixed(1);

interface Curve { name: string; colour: string; of: (figures: Figures) => number | null }
interface Card { title: string; curves: Curve[]; text: (figures: Figures) => string; label: (value: number) => string; top?: number }

const CARDS: Card[] = [
  {title: 'Tokens per second', text: figures => rate(figures.tokens), label: value => rate(value),
   curves: [{name: 'tokens', colour: '--teal', of: figures => figures.tokens}]},
  {title: 'Hit rate', text: figures => percent(figures.hits), label: value => percent(value), top: 1,
   curves: [{name: 'hits', colour: '--blue', of: figures => figures.hits}]},
  {title: 'Read per token', text: figures => bytes(figures.bytes), label: value => bytes(value),
   curves: [{name: 'bytes', colour: '--amber', of: figures => figures.bytes}]},
  {title: 'Disk and compute', text: figures => `${percent(figures.disk)} · ${percent(figures.compute)}`,
   label: value => percent(value), top: 1,
   curves: [{name: 'disk', colour: '--violet', of: figures => figures.disk},
            {name: 'compute', colour: '--green', of: figures => figures.compute}]},
];

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(card: Card, width: number): uPlot.Options {
  const grid = {stroke: colour('--line'), width: 1};
  return {
    width, height: HEIGHT, legend: {show: false}, cursor: {show: false}, padding: [10, 0, 4, 0],
    scales: {x: {time: false, range: () => { const now = Date.now() / 1000; return [now - SPAN_S, now]; }},
             y: {range: (_, __, most) => [0, card.top ?? Math.max(most || 0, 1e-9) * 1.15]}},
    axes: [{show: false},
           {size: 46, gap: 4, font: '10.5px system-ui', stroke: colour('--quiet'), grid, ticks: {show: false}, space: 34,
            values: (_, values) => values.map(value => value === 0 ? '0' : card.label(value))}],
    series: [{}, ...card.curves.map(curve => ({
      stroke: colour(curve.colour), width: 2, fill: colour(curve.colour) + '1f', points: {show: false}}))],
  };
}

function Chart({card, live, theme}: {card: Card; live: Live; theme: string}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const data = (): uPlot.AlignedData => [live.times, ...card.curves.map(curve => live.history.map(curve.of))];
    const plot = new uPlot(options(card, place.current!.clientWidth), data(), place.current!);
    const sizes = new ResizeObserver(() => plot.setSize({width: place.current!.clientWidth, height: HEIGHT}));
    sizes.observe(place.current!);
    const forget = live.watch(() => plot.setData(data()));
    return () => { forget(); sizes.disconnect(); plot.destroy(); };
  }, [theme]);
  return <div class="chart" ref={place} aria-hidden="true" />;
}

export function FigureCards({live, theme}: {live: Live; theme: string}) {
  const [figures, setFigures] = useState(live.figures);
  useEffect(() => {
    let turn = 0;
    return live.watch(() => { if (turn++ % 2 === 0) setFigures(live.figures); });  // twice a second can be read
  }, []);
  return <div class="cards">{CARDS.map(card =>
    <section class="card figure" aria-label={card.title}>
      <h2>{card.curves.length > 1
        ? card.curves.map(curve => <span class={'key ' + curve.name}>{curve.name}</span>) : card.title}</h2>
      <p class="value" data-figure={card.curves[0].name}>{card.text(figures)}</p>
      <Chart card={card} live={live} theme={theme} />
    </section>)}</div>;
}
