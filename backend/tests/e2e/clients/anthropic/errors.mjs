// What each mistake is to the client: a class of its own, the server's word for it, and the request's id.
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { asked, client, print } from './asking.mjs';

const mistakes = {
  unknown_model: { model: 'nobody' },
  odd_temperature: { temperature: 'hot' },
  no_messages: { messages: [] },
  too_long: { messages: [{ role: 'user', content: 'pod '.repeat(5000) }] },
  away: { model: 'down/away' },
};

async function fault(ask) {
  try {
    return { answered: await ask() };
  } catch (error) {
    const { name } = error.constructor;
    if (!(error instanceof APIError)) throw error;
    return { name, status: error.status, type: error.type, request_id: error.requestID, message: error.message };
  }
}

const found = {};
for (const [name, mistake] of Object.entries(mistakes)) {
  found[name] = await fault(() => client.messages.create({ ...asked, ...mistake }));
  found[`${name}, streaming`] = await fault(() => client.messages.stream({ ...asked, ...mistake }).finalMessage());
}
const stranger = new Anthropic({ apiKey: 'wrong', maxRetries: 0 });
found.wrong_key = await fault(() => stranger.messages.create(asked));
print(found);
