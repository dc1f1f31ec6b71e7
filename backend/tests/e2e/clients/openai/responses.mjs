// Whole, streamed by the helper, continued, fetched, counted, deleted.
import { client, model, parameters, print, question } from './asking.mjs';

const asked = { model, temperature: 0, input: [question] };
const whole = await client.responses.create(asked);

const kinds = [];
let deltas = '';
const stream = client.responses.stream(asked);
stream.on('response.output_text.delta', ({ delta }) => {
  deltas += delta;
});
for await (const event of stream) {
  kinds.push(event.type);
}
const streamed = await stream.finalResponse();

const next = { model, temperature: 0, input: 'And a node?', previous_response_id: whole.id };
const continued = await client.responses.create(next);
const counted = await client.responses.inputTokens.count({ model, input: next.input, previous_response_id: whole.id });
const fetched = await client.responses.retrieve(whole.id);
await client.responses.delete(streamed.id);
const gone = await client.responses.retrieve(streamed.id).catch((error) => error.constructor.name);

const tools = [{ type: 'function', name: 'get_pods', parameters, strict: true }];
const called = await client.responses.create({ ...asked, tools, tool_choice: 'required', max_output_tokens: 200 });
print({ whole, kinds, deltas, streamed, continued, counted, fetched, gone, called });
