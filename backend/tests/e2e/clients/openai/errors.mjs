// What each mistake is to the client: a class of its own, the server's words for it, and the request's id.
import OpenAI, { APIError } from 'openai';
import { asked, client, print } from './asking.mjs';

const mistakes = {
  unknown_model: { model: 'nobody' },
  odd_temperature: { temperature: 'hot' },
  too_long: { messages: [{ role: 'user', content: 'pod '.repeat(5000) }] },
  away: { model: 'down/away' },
};

async function fault(ask) {
  try {
    return { answered: await ask() };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status, code, param, type, requestID } = error;
    return { name: error.constructor.name, status, code, param, type, request_id: requestID };
  }
}

const found = {};
for (const [name, mistake] of Object.entries(mistakes)) {
  const wrong = { ...asked, ...mistake };
  const { messages, ...rest } = wrong;
  found[name] = await fault(() => client.chat.completions.create(wrong));
  found[`${name}, streaming`] = await fault(() => client.chat.completions.create({ ...wrong, stream: true }));
  found[`${name}, responses`] = await fault(() => client.responses.create({ ...rest, input: messages }));
}
const stranger = new OpenAI({ apiKey: 'wrong', maxRetries: 0 });
found.wrong_key = await fault(() => stranger.chat.completions.create(asked));
found.no_response = await fault(() => client.responses.retrieve('resp_nobody'));
print(found);
