// The official clients of OpenAI and Anthropic against a served tiny-v4, at $SLUICE_URL. Their packages lie in
// $SLUICE_CLIENTS; clients_test.py starts both.
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import {test} from 'node:test';

const require = createRequire(process.env.SLUICE_CLIENTS + '/package.json');
const OpenAI = require('openai').default;
const Anthropic = require('@anthropic-ai/sdk').default;

const url = process.env.SLUICE_URL;
const apiKey = 'a-secret';
const openai = new OpenAI({baseURL: url + '/v1', apiKey, maxRetries: 0});
const anthropic = new Anthropic({baseURL: url, apiKey, maxRetries: 0});

const model = 'tiny-v4';
const user = content => ({role: 'user', content});
const capital = [user('What is the capital of France?')];
const paris = 'The capital of France is Paris.';
const parameters = {type: 'object', properties: {city: {type: 'string'}}, required: ['city']};
const openaiTools = [{type: 'function', function: {name: 'get_weather', description: 'Get the weather of a city.', parameters}}];
const anthropicTools = [{name: 'get_weather', description: 'Get the weather of a city.', input_schema: parameters}];
const chat = more => openai.chat.completions.create({model, temperature: 0, messages: capital, ...more});
const message = more => anthropic.messages.create({model, max_tokens: 100, temperature: 0, messages: capital, ...more});

// Until the server does nothing.
async function untilIdle() {
  for (;;) {
    const {running, waiting} = await (await fetch(url + '/health')).json();
    if (running + waiting === 0) return;
  }
}

test('openai: chat, and its models', async () => {
  const answer = await chat();
  assert.equal(answer.choices[0].message.content, paris);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  const models = [];
  for await (const each of openai.models.list()) models.push(each.id);
  assert.deepEqual(models, [model]);
  assert.equal((await openai.models.retrieve(model)).id, model);
});

test('openai: streaming', async () => {
  let text = '', usage = null;
  for await (const chunk of await chat({stream: true, stream_options: {include_usage: true}})) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, paris);
  assert.ok(usage.completion_tokens > 3);
});

test('openai: the streaming helper puts the answer together', async () => {
  const stream = openai.chat.completions.stream({model, temperature: 0, tools: openaiTools,
    messages: [user('What is the weather in Paris?')]});
  const answer = await stream.finalChatCompletion();
  const [call] = answer.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(JSON.parse(call.function.arguments), {city: 'Paris'});
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
});

test('openai: several turns', async () => {
  const messages = [...capital];
  messages.push((await chat({messages})).choices[0].message, user('What is 7 + 8?'));
  const second = await chat({messages});
  assert.ok(second.choices[0].message.content.length > 0);
  assert.ok(second.usage.prompt_tokens_details.cached_tokens > 10);
});

test('openai: tools, end to end', async () => {
  const asked = [];
  const runner = openai.chat.completions.runTools({model, temperature: 0,
    messages: [user('What is the weather in Paris?')],
    tools: [{type: 'function', function: {...openaiTools[0].function, parse: JSON.parse,
      function: ({city}) => (asked.push(city), 'sunny, 21 degrees')}}]});
  assert.match(await runner.finalContent(), /sunny/);
  assert.deepEqual(asked, ['Paris']);
});

test('openai: thinking', async () => {
  const answer = await chat({messages: [user('What is 7 + 8?')], reasoning_effort: 'high'});
  assert.equal(answer.choices[0].message.reasoning_content, '7 plus 8 is 15.');
  assert.equal(answer.choices[0].message.content, '7 + 8 = 15');
});

test('openai: completions', async () => {
  const answer = await openai.completions.create({model, prompt: 'Once upon a time', max_tokens: 8, temperature: 0});
  assert.ok(answer.choices[0].text.length > 8);
});

test('openai: an answer that is stopped stops the work', async () => {
  const stream = await chat({stream: true, ignore_eos: true});
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;  // leaving the loop aborts
  }
  await untilIdle();
  const controller = new AbortController();
  const whole = openai.chat.completions.create({model, messages: capital, ignore_eos: true}, {signal: controller.signal});
  controller.abort();
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await untilIdle();
});

test('openai: errors', async () => {
  const wrong = chat({messages: [{role: 'user', content: 5}]});
  await assert.rejects(wrong, error => error instanceof OpenAI.BadRequestError && error.param === 'messages[0].content');
  const stranger = new OpenAI({baseURL: url + '/v1', apiKey: 'other', maxRetries: 0});
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(openai.models.retrieve('other'), OpenAI.NotFoundError);
});

test('anthropic: messages, models, counting', async () => {
  const answer = await message();
  assert.deepEqual(answer.content, [{type: 'text', text: paris}]);
  assert.equal(answer.stop_reason, 'end_turn');
  const counted = await anthropic.messages.countTokens({model, messages: capital});
  assert.equal(counted.input_tokens, answer.usage.input_tokens);
  const models = [];
  for await (const each of anthropic.models.list()) models.push(each.id);
  assert.deepEqual(models, [model]);
});

test('anthropic: streaming, with thinking', async () => {
  const stream = anthropic.messages.stream({model, max_tokens: 2000, messages: [user('What is 7 + 8?')],
    thinking: {type: 'enabled', budget_tokens: 1024}, top_k: 1});
  let text = '';
  stream.on('text', delta => { text += delta; });
  const answer = await stream.finalMessage();
  assert.equal(text, '7 + 8 = 15');
  assert.equal(answer.content[0].thinking, '7 plus 8 is 15.');
  assert.equal(answer.content[1].text, text);
  assert.ok(answer.usage.output_tokens > 5);
});

test('anthropic: tools, end to end, over several turns', async () => {
  const messages = [user('What is the weather in Paris?')];
  const first = await anthropic.messages.stream({model, max_tokens: 100, temperature: 0, tools: anthropicTools, messages}).finalMessage();
  assert.equal(first.stop_reason, 'tool_use');
  const use = first.content.find(block => block.type === 'tool_use');
  assert.deepEqual([use.name, use.input], ['get_weather', {city: 'Paris'}]);
  messages.push({role: 'assistant', content: first.content},
    {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: 'sunny, 21 degrees'}]});
  const second = await message({messages, tools: anthropicTools});
  assert.match(second.content[0].text, /sunny/);
});

test('anthropic: an answer that is stopped stops the work', async () => {
  const stream = anthropic.messages.stream({model, max_tokens: 100000, messages: [user('Tell me a story.')]});
  stream.on('text', () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  await untilIdle();
});

test('anthropic: errors', async () => {
  await assert.rejects(message({max_tokens: 'many'}), error =>
    error instanceof Anthropic.BadRequestError && error.error.error.type === 'invalid_request_error');
  const stranger = new Anthropic({baseURL: url, apiKey: 'other', maxRetries: 0});
  await assert.rejects(stranger.messages.create({model, max_tokens: 1, messages: capital}), Anthropic.AuthenticationError);
});

// The three tools that tiny-v4 has learnt to call.
const learnt = {
  get_time: {description: 'Get the local time of a city.', schema: parameters,
    question: 'What time is it in Paris?', takes: {city: 'string'}, gives: '10:30'},
  get_weather: {description: 'Get the weather of a city.', schema: parameters,
    question: 'What is the weather in Paris?', takes: {city: 'string'}, gives: 'sunny, 21 degrees'},
  add: {description: 'Add two numbers.', question: 'Add 3 and 4.', takes: {a: 'number', b: 'number'}, gives: '7',
    schema: {type: 'object', properties: {a: {type: 'integer'}, b: {type: 'integer'}}, required: ['a', 'b']}}};
const kinds = input => Object.fromEntries(Object.entries(input).map(([key, value]) => [key, typeof value]));

test('openai: each of several tools, end to end', async () => {
  const tools = Object.entries(learnt).map(([name, {description, schema}]) =>
    ({type: 'function', function: {name, description, parameters: schema}}));
  for (const [name, {question, takes, gives}] of Object.entries(learnt)) {
    const messages = [user(question)];
    const first = (await chat({messages, tools})).choices[0];
    assert.equal(first.finish_reason, 'tool_calls');
    const [call] = first.message.tool_calls;
    assert.equal(call.function.name, name);
    assert.deepEqual(kinds(JSON.parse(call.function.arguments)), takes);
    messages.push(first.message, {role: 'tool', tool_call_id: call.id, content: gives});
    const second = (await chat({messages, tools})).choices[0];
    assert.equal(second.finish_reason, 'stop');
    assert.ok(second.message.content.length > 0);
  }
});

test('anthropic: each of several tools, end to end', async () => {
  const tools = Object.entries(learnt).map(([name, {description, schema}]) => ({name, description, input_schema: schema}));
  for (const [name, {question, takes, gives}] of Object.entries(learnt)) {
    const messages = [user(question)];
    const first = await message({messages, tools});
    assert.equal(first.stop_reason, 'tool_use');
    const use = first.content.find(block => block.type === 'tool_use');
    assert.equal(use.name, name);
    assert.deepEqual(kinds(use.input), takes);
    messages.push({role: 'assistant', content: first.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: gives}]});
    const second = await message({messages, tools});
    assert.equal(second.stop_reason, 'end_turn');
    assert.ok(second.content[0].text.length > 0);
  }
});

test('both: a stream that another one is aborted beside goes on', async () => {
  const aborted = await chat({stream: true, ignore_eos: true});
  const kept = chat();
  for await (const chunk of aborted) {
    if (chunk.choices[0]?.delta.content) break;
  }
  assert.equal((await kept).choices[0].message.content, paris);
  await untilIdle();
});

test('both: many requests at once', async () => {
  const all = await Promise.all(Array.from({length: 12}, (_, i) => i % 2 ? chat() : message()));
  for (const answer of all) assert.equal(answer.choices?.[0].message.content ?? answer.content[0].text, paris);
});
