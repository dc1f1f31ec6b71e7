// A call is asked for, streamed as pieces of JSON, answered, and talked about.
import { asked, client, print, question, tool } from './asking.mjs';

const forced = { ...asked, max_tokens: 200, tools: [tool], tool_choice: { type: 'any' } };
const whole = await client.messages.create(forced);
const pieces = [];
const stream = client.messages.stream(forced).on('inputJson', (piece) => pieces.push(piece));
const streamed = await stream.finalMessage();

const results = whole.content
  .filter((block) => block.type === 'tool_use')
  .map((block) => ({ type: 'tool_result', tool_use_id: block.id, content: 'web-1' }));
const turns = [question, { role: 'assistant', content: whole.content }, { role: 'user', content: results }];
const after = await client.messages.create({ ...asked, messages: turns, tools: [tool] });
print({ whole, streamed, pieces, after });
