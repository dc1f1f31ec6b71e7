// The helper's events, its two ways to the end, and the same by iteration.
import { asked, client, print } from './asking.mjs';

const seen = [];
const stream = client.messages.stream(asked);
for (const name of ['connect', 'contentBlock', 'message', 'finalMessage', 'end']) {
  stream.on(name, () => seen.push(name));
}
const texts = [];
let snapshot = '';
stream.on('text', (text, whole) => {
  texts.push(text);
  snapshot = whole;
});
const message = await stream.finalMessage();
await stream.done();

const kinds = [];
for await (const event of client.messages.stream(asked)) {
  kinds.push(event.type);
}
print({ seen, texts, snapshot, message, text: await stream.finalText(), request_id: stream.request_id, kinds });
