// The client's own loop: it calls the function and asks again, as often as it may.
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { asked, client, print, tool } from './asking.mjs';

const inputs = [];
const runnable = betaTool({
  name: tool.name,
  description: tool.description,
  inputSchema: tool.input_schema,
  run: (input) => {
    inputs.push(input);
    return 'web-1';
  },
});
const runner = client.beta.messages.toolRunner({
  ...asked,
  max_tokens: 200,
  tools: [runnable],
  tool_choice: { type: 'any' },
  max_iterations: 3,
});
const answers = [];
for await (const message of runner) {
  answers.push(message);
}
print({ inputs, answers });
