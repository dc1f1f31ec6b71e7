import { asked, client, print } from './asking.mjs';

const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 20 }, ready: { type: 'boolean' } },
  required: ['name', 'ready'],
  additionalProperties: false,
};
const response_format = { type: 'json_schema', json_schema: { name: 'fact', strict: true, schema } };
const answer = await client.chat.completions.parse({ ...asked, response_format, max_tokens: 200 });
print(JSON.parse(answer.choices[0].message.content));
