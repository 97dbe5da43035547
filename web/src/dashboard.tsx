// The page: chat on one side, the engine on the other.

import {render} from 'preact';
import {useEffect, useReducer, useState} from 'preact/hooks';
import {Chat} from './chat';
import {ExpertMap} from './expert_map';
import {bytes, FigureCards} from './figures';
import {Live} from './live';
import {KeyForm, SettingsButton} from './settings';
import './style.css';

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = typeof THEMES[number];
const KEPT = 'sluice-theme';
const prefersDark = matchMedia('(prefers-color-scheme: dark)');

const keptTheme = () => THEMES.find(theme => theme === localStorage.getItem(KEPT)) ?? 'system';

function useTheme(): [Theme, string, () => void] {
  const [theme, setTheme] = useState<Theme>(keptTheme);
  const [dark, setDark] = useState(prefersDark.matches);
  const shown = theme === 'system' ? (dark ? 'dark' : 'light') : theme;
  document.documentElement.dataset.theme = shown;
  useEffect(() => {
    const changed = () => setDark(prefersDark.matches);
    prefersDark.addEventListener('change', changed);
    return () => prefersDark.removeEventListener('change', changed);
  }, []);
  const next = () => {
    const following = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEPT, following);
    setTheme(following);
  };
  return [theme, shown, next];
}

function stateText(live: Live) {
  if (live.state !== 'live') return {connecting: 'connecting', lost: 'not connected', key: 'needs a key'}[live.state];
  if (!live.running) return 'idle';
  const doing = live.figures.tokens > 0 ? 'writing' : 'reading';
  return live.waiting ? `${doing}, ${live.waiting} waiting` : doing;
}

function Page({live}: {live: Live}) {
  const [theme, shown, nextTheme] = useTheme();
  const [view, setView] = useState<'chat' | 'engine'>('chat');  // on narrow screens
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let last = '';
    let turn = 0;
    return live.watch(() => {
      const now = stateText(live) + live.state;
      if (now !== last || turn++ % 4 === 0) { last = now; again(0); }
    });
  }, []);
  const {start} = live;
  return <>
    <header>
      <h1><img src="/dashboard/icon.svg" alt="" width="24" height="24" />Sluice</h1>
      {start && <span class="model">{start.model}</span>}
      <span class={'state ' + (live.state === 'live' && live.running ? 'busy' : live.state)} role="status">{stateText(live)}</span>
      <span class="space" />
      <SettingsButton onKey={() => live.open()} />
      <button type="button" class="theme" onClick={nextTheme} aria-label={`Theme: ${theme}`} title="Theme: follows the system, light, dark">
        {{system: '◐', light: '☀', dark: '☾'}[theme]}</button>
    </header>
    <nav aria-label="Parts of this page">{(['chat', 'engine'] as const).map(each =>
      <button type="button" aria-pressed={view === each} onClick={() => setView(each)}>{each === 'chat' ? 'Chat' : 'Engine'}</button>)}</nav>
    <main class={'shows-' + view}>
      <Chat />
      <section class="engine" aria-label="Engine">
        {live.state === 'key' && <KeyForm onKey={() => live.open()} />}
        <FigureCards live={live} theme={shown} />
        {start && <ExpertMap live={live} theme={shown} />}
        {start && <p class="quiet">{{direct: 'Experts are streamed from disk', resident: 'All experts are in memory', mmap: 'Experts are in mapped files'}[start.stream] ?? start.stream}
          {start.slots > 0 && `: ${start.slots} slots of ${bytes(start.slot_bytes)}`}.</p>}
      </section>
    </main>
  </>;
}

render(<Page live={new Live()} />, document.body);
