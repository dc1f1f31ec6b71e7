// Who stops listening at the first word is told so, and the next question is answered.
import { asked, client, print } from './asking.mjs';

// On a busy machine the whole answer may be here before the first word is looked at: then there is nothing to leave.
const TRIES = 20;

async function leave() {
  const stream = client.messages.stream(asked);
  const ended = stream.finalMessage().then(
    () => 'whole',
    (error) => error.constructor.name,
  );
  let word = '';
  for await (const event of stream) {
    if (event.type !== 'content_block_delta') continue;
    word = event.delta.text;
    break;
  }
  let timer;
  const nothing = new Promise((resolve) => (timer = setTimeout(resolve, 500, 'whole')));
  const how = await Promise.race([ended, nothing]);
  clearTimeout(timer);
  return { word, ended: how, aborted: stream.aborted };
}

let left = await leave();
for (let tries = 1; left.ended === 'whole' && tries < TRIES; tries++) left = await leave();
const next = await client.messages.create({ ...asked, max_tokens: 3 });
print({ ...left, next });
