// Chunk by chunk, and by the helper with its events.
import { asked, client, print } from './asking.mjs';

const streaming = { ...asked, stream: true, stream_options: { include_usage: true } };
const chunks = [];
for await (const chunk of await client.chat.completions.create(streaming)) {
  chunks.push(chunk);
}

const seen = [];
const stream = client.chat.completions.stream(asked);
for (const name of ['connect', 'content.done', 'finalContent', 'end']) {
  stream.on(name, () => seen.push(name));
}
let deltas = '';
stream.on('content.delta', ({ delta }) => {
  deltas += delta;
});
print({ chunks, completion: await stream.finalChatCompletion(), text: await stream.finalContent(), seen, deltas });
