// More than the model has places for stop listening to endless answers, and the next question is answered.
import { asked, client, print } from './asking.mjs';

const endless = { ...asked, max_tokens: 900, ignore_eos: true, stream: true };

async function first() {
  const stream = await client.chat.completions.create(endless);
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) return { word: chunk.choices[0].delta.content, stream };
  }
}

const found = await Promise.all(Array.from({ length: 12 }, first));
const next = await client.chat.completions.create({ ...asked, max_tokens: 3 });
print({
  words: found.map(({ word }) => word),
  aborted: found.every(({ stream }) => stream.controller.signal.aborted),
  next,
});
