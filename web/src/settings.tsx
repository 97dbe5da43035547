// What is asked of the model beside the words, and the key; kept for the browser's session.

import {useRef, useState} from 'preact/hooks';
import {getKey, setKey} from './server';

const KEPT = 'sluice-settings';
const NONE = {system: '', temperature: '', longest: '', tools: ''};
type Settings = typeof NONE;

const EXAMPLE = JSON.stringify([{type: 'function', function: {
  name: 'get_weather', description: 'Get the weather of a city.',
  parameters: {type: 'object', properties: {city: {type: 'string'}}, required: ['city']}}}], null, 1);

export function readSettings(): Settings {
  try { return {...NONE, ...JSON.parse(sessionStorage.getItem(KEPT) ?? '{}')}; } catch { return NONE; }
}

const wrong = (tools: string) => {
  try { return !tools.trim() || Array.isArray(JSON.parse(tools)) ? '' : 'The tools must be a JSON array.'; }
  catch (error) { return 'The tools are not JSON: ' + (error as Error).message; }
};

export function SettingsButton({onKey}: {onKey: () => void}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [values, setValues] = useState(readSettings);
  const [key, setShownKey] = useState(getKey);
  const [error, setError] = useState('');
  const field = (name: keyof Settings) => ({name, value: values[name],
    onInput: (event: Event) => setValues({...values, [name]: (event.currentTarget as HTMLInputElement).value})});
  const save = () => {
    const found = wrong(values.tools);
    setError(found);
    if (found) return;
    sessionStorage.setItem(KEPT, JSON.stringify(values));
    if (key !== getKey()) { setKey(key); onKey(); }
    dialog.current!.close();
  };
  return <>
    <button type="button" onClick={() => { setValues(readSettings()); setShownKey(getKey()); dialog.current!.showModal(); }}>Settings</button>
    <dialog ref={dialog} aria-label="Settings"><form onSubmit={event => { event.preventDefault(); save(); }}>
      <h2>Settings</h2>
      <label>System prompt<textarea rows={2} {...field('system')} /></label>
      <div class="row"><label>Temperature<input type="number" min="0" max="100" step="any" placeholder="the model's own" {...field('temperature')} /></label>
        <label>Longest answer<input type="number" min="1" placeholder="no limit" {...field('longest')} /></label></div>
      <label>Tools (JSON)<textarea rows={5} spellcheck={false} {...field('tools')} /></label>
      <button type="button" class="link" onClick={() => setValues({...values, tools: EXAMPLE})}>Put in an example</button>
      <label>API key<input type="password" autocomplete="off" value={key} onInput={event => setShownKey(event.currentTarget.value)} /></label>
      {error && <p class="error" role="alert">{error}</p>}
      <div class="row"><span class="space" /><button type="button" onClick={() => dialog.current!.close()}>Cancel</button>
        <button class="main">Save</button></div>
    </form></dialog>
  </>;
}

// Before anything else, where the server wants a key.
export function KeyForm({onKey}: {onKey: () => void}) {
  return <form class="card ask-key" onSubmit={event => {
    event.preventDefault();
    setKey(String(new FormData(event.currentTarget).get('key')));
    onKey();
  }}>
    <h2>This server wants its key</h2>
    <div class="row"><input name="key" type="password" aria-label="API key" autocomplete="off" required />
      <button class="main">Use it</button></div>
    <p class="quiet">It is kept until this tab is closed.</p>
  </form>;
}
