// What the scripts here share. The client finds its server and its key in the environment, as it does by itself.
import OpenAI from 'openai';

export const client = new OpenAI({ maxRetries: 0 });
export const model = process.argv[2];
export const question = { role: 'user', content: 'What is a pod?' };
export const asked = { model, temperature: 0, messages: [question] };
export const parameters = {
  type: 'object',
  properties: { namespace: { type: 'string', enum: ['default', 'kube-system'] } },
  required: ['namespace'],
  additionalProperties: false,
};

export const print = (found) => console.log(JSON.stringify(found));
