// The dashboard in Debian's Chromium, as people meet it: against the server at $SLUICE_URL, which wants the key "a-secret".
// Pictures go to $SLUICE_PICTURES.
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import {after, before, beforeEach, afterEach, test} from 'node:test';

const {chromium} = createRequire(process.env.SLUICE_CLIENTS + '/')('playwright-core');
const url = process.env.SLUICE_URL, pictures = process.env.SLUICE_PICTURES;
const LAPTOP = {width: 1360, height: 820}, PHONE = {width: 390, height: 780};
const CAPITAL = 'What is the capital of France?', PARIS = 'The capital of France is Paris.';

let browser, page, complaints;

before(async () => {
  browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']});
});
after(() => browser?.close());

beforeEach(async () => {
  complaints = [];
  const context = await browser.newContext({viewport: LAPTOP, colorScheme: 'light'});
  context.setDefaultTimeout(60_000);
  page = await context.newPage();
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => { if (!request.url().startsWith(url)) complaints.push('asks for ' + request.url()); });
});

afterEach(async () => {
  await page.context().close();
  // A browser reports every answer that is no success, the one that asks for the key included.
  assert.deepEqual(complaints.filter(text => !text.includes('401 (Unauthorized)')), []);
});

// The page, with the key given.
async function open() {
  await page.goto(url);
  await page.getByRole('textbox', {name: 'API key'}).fill('a-secret');
  await page.getByRole('button', {name: 'Use it'}).click();
  await page.locator('header .state', {hasText: 'idle'}).waitFor();
}

const picture = name => page.screenshot({path: `${pictures}/${name}.png`});
const say = async text => {
  await page.getByRole('textbox', {name: 'Message'}).fill(text);
  await page.keyboard.press('Enter');
};
const answers = () => page.getByRole('article', {name: 'Model'});
const ended = () => page.getByRole('status').filter({hasText: 'The answer has ended'}).waitFor({state: 'attached'});
const configure = async values => {
  await page.getByRole('button', {name: 'Settings'}).click();
  for (const [name, value] of Object.entries(values)) await page.getByLabel(name).fill(value);
};

async function staysInWidth() {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${content} pixels of content in ${window}`);
}

test('a prompt is answered, word by word, and the figures move', async () => {
  await open();
  await say('Write a short story about Luna the owl.');
  const [lengths, maps] = await page.evaluate(() => new Promise(resolve => {
    const lengths = new Set(), maps = new Set();
    const look = () => {
      const message = document.querySelector('.message.assistant');
      if (message) lengths.add(message.textContent.length);
      const map = document.querySelector('.map canvas');
      if (message && map) maps.add(map.toDataURL());
      if (message?.querySelector('.note')) resolve([lengths.size, maps.size]); else requestAnimationFrame(look);
    };
    look();
  }));
  assert.ok(lengths > 3, `the answer was seen to grow ${lengths} times`);
  assert.ok(maps > 3, `the map was seen to flash and fade ${maps} times`);
  assert.match(await answers().textContent(), /Luna/);
  await page.waitForFunction(() => parseFloat(document.querySelector('[data-figure=tokens]').textContent) > 0);
  await page.waitForFunction(() => /\d+ %/.test(document.querySelector('[data-figure=hits]').textContent));
  const colours = await page.evaluate(() => {
    const canvas = document.querySelector('.map canvas');
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
  });
  assert.ok(colours > 3, `the map has ${colours} colours`);
  await picture('light');
  await staysInWidth();
});

test('an answer can be stopped, and a new conversation begun', async () => {
  await open();
  await say('Tell me a story.');
  await page.waitForFunction(() => document.querySelector('.message.assistant p')?.textContent.length > 3);
  await page.keyboard.press('Escape');
  await page.locator('.note', {hasText: /stopped|tokens/}).waitFor();
  await page.locator('header .state', {hasText: 'idle'}).waitFor();
  await page.getByRole('button', {name: 'New conversation'}).click();
  assert.equal(await answers().count(), 0);
  await configure({Temperature: '0'});
  await page.getByRole('button', {name: 'Save'}).click();
  await say(CAPITAL);
  await answers().getByText(PARIS).waitFor();
});

test('thoughts are folded, tool calls shown and answered by hand', async () => {
  await open();
  await configure({Temperature: '0'});
  await page.getByRole('button', {name: 'Put in an example'}).click();
  await page.getByRole('button', {name: 'Save'}).click();
  await say('What is the weather in Paris?');
  await page.getByLabel('Result of get_weather').fill('sunny, 21 degrees');
  assert.match(await page.locator('.tool pre').textContent(), /"city": "Paris"/);
  await page.keyboard.press('Enter');
  await answers().getByText('sunny').waitFor();
  await page.getByRole('button', {name: 'New conversation'}).click();
  await configure({'Tools (JSON)': ''});
  await page.getByRole('button', {name: 'Save'}).click();
  await page.getByLabel('Think first').check();
  await say('What is 7 + 8?');
  await ended();
  const thoughts = page.locator('.thoughts');
  assert.equal(await thoughts.evaluate(element => element.open), false);
  await thoughts.locator('summary').click();
  await thoughts.getByText('7 plus 8 is 15.').waitFor();
});

test('the keyboard is enough', async () => {
  await open();
  // Until what has the focus is called so.
  const reach = async name => {
    for (let presses = 0; presses < 30; presses++) {
      const [label, text] = await page.evaluate(() =>
        [document.activeElement.getAttribute('aria-label') ?? '', document.activeElement.textContent]);
      if (label.includes(name) || text === name) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`Tab never comes to ${name}`);
  };
  await reach('Settings');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({state: 'hidden'});
  await reach('Theme: system');
  await page.keyboard.press('Space');
  await page.getByRole('button', {name: 'Theme: light'}).waitFor();
  await reach('Message');
  await page.keyboard.type(CAPITAL);
  await page.keyboard.press('Enter');
  await ended();
  await reach('New conversation');
  await page.keyboard.press('Enter');
  assert.equal(await answers().count(), 0);
  await reach('Arrow keys tell about one.');
  await page.keyboard.press('ArrowDown');
  await page.getByText(/Layer 1, expert 0: /).waitFor();
});

test('a server that is gone is said, and found again', async () => {
  await open();
  let gone = false;
  await page.route('**/v1/sluice/live', route => gone ? route.abort() : route.continue());
  gone = true;
  await page.evaluate(() => {  // streams end while nobody looks at the page
    Object.defineProperty(document, 'hidden', {configurable: true, get: () => window.away});
    window.away = true;
    document.dispatchEvent(new Event('visibilitychange'));
    window.away = false;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.locator('header .state', {hasText: 'not connected'}).waitFor();
  gone = false;
  await page.locator('header .state', {hasText: 'idle'}).waitFor();
  complaints = complaints.filter(text => !text.includes('net::ERR_FAILED'));
});

test('text is never markup, and code is code', async () => {
  await open();
  await say('<img src=x onerror="document.title=1"> is **bold** and `<b>`:\n```html\n<script>alert(1)</script>\n```');
  const mine = page.getByRole('article', {name: 'You'});
  assert.equal(await mine.locator('img, script, b').count(), 0);
  assert.equal(await mine.locator('strong').textContent(), 'bold');
  assert.equal(await mine.locator('pre code').textContent(), '<script>alert(1)</script>');
  assert.equal(await page.title(), 'Sluice');
  await ended();
});

test('what goes wrong is said in words', async () => {
  await open();
  await configure({'Tools (JSON)': '[{]'});
  await page.getByRole('button', {name: 'Save'}).click();
  await page.getByRole('alert').filter({hasText: 'not JSON'}).waitFor();
  await page.getByRole('button', {name: 'Cancel'}).click();
  await say('word '.repeat(3000));
  await page.getByRole('alert').filter({hasText: 'a context of 2048 tokens must hold it'}).waitFor();
  complaints = complaints.filter(text => !text.includes('400 (Bad Request)'));
});

test('the theme follows the system, and can be switched', async () => {
  await open();
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.emulateMedia({colorScheme: 'dark'});
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  const dark = await background();
  assert.notEqual(dark, light);
  await page.getByRole('button', {name: 'Theme: system'}).click();
  assert.equal(await background(), light);
  await page.getByRole('button', {name: 'Theme: light'}).click();
  assert.equal(await background(), dark);
  await say('Write a short story about Luna the owl.');
  await ended();
  await picture('dark');
});

test('a phone shows one part at a time, in its width', async () => {
  await page.setViewportSize(PHONE);
  await page.goto(url);
  await page.getByRole('button', {name: 'Engine'}).click();
  await page.getByRole('textbox', {name: 'API key'}).fill('a-secret');
  await page.getByRole('button', {name: 'Use it'}).click();
  await page.getByRole('button', {name: 'Chat', exact: true}).click();
  await say('Write a short story about Luna the owl.');
  await ended();
  await staysInWidth();
  await picture('phone-chat');
  await page.getByRole('button', {name: 'Engine'}).click();
  await page.locator('.map canvas').focus();
  await page.keyboard.press('ArrowRight');
  await page.getByText(/Layer 0, expert 1: (on the disk|being read|in memory)/).waitFor();
  await staysInWidth();
  await picture('phone-engine');
});
