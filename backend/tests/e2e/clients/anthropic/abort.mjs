// Who stops listening at the first word is told so, and the next question is answered.
import { asked, client, print } from './asking.mjs';

const stream = client.messages.stream(asked);
const ended = stream.finalMessage().catch((error) => error.constructor.name);
let word = '';
for await (const event of stream) {
  if (event.type !== 'content_block_delta') continue;
  word = event.delta.text;
  break;
}
const next = await client.messages.create({ ...asked, max_tokens: 3 });
print({ word, ended: await ended, aborted: stream.aborted, next });
