// What the scripts here share. The client finds its server and its key in the environment, as it does by itself.
import Anthropic from '@anthropic-ai/sdk';

export const client = new Anthropic({ maxRetries: 0 });
export const model = process.argv[2];
export const question = { role: 'user', content: 'What is a pod?' };
export const asked = { model, max_tokens: 60, temperature: 0, messages: [question] };
export const tool = {
  name: 'get_pods',
  description: 'Lists pods.',
  input_schema: {
    type: 'object',
    properties: { namespace: { type: 'string', enum: ['default', 'kube-system'] } },
    required: ['namespace'],
  },
};

export const print = (found) => console.log(JSON.stringify(found));
