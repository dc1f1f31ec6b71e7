import { asked, client, print, tool } from './asking.mjs';

const { model, messages } = asked;
const counted = { model, messages, system: 'Be brief.', tools: [tool] };
const { data, response } = await client.messages.countTokens(counted).withResponse();
const { usage } = await client.messages.create({ ...asked, ...counted, max_tokens: 1 });
print({ count: data, how: response.headers.get('x-llm-token-count'), usage });
