// The client's own loop: it parses the arguments, calls the function and asks again, as often as it may.
import { asked, client, parameters, print } from './asking.mjs';

const inputs = [];
const tool = {
  type: 'function',
  function: {
    name: 'get_pods',
    description: 'Lists pods.',
    parameters,
    parse: JSON.parse,
    function: (input) => {
      inputs.push(input);
      return 'web-1';
    },
  },
};

async function run(stream) {
  const forced = { ...asked, stream, max_tokens: 200, tools: [tool], tool_choice: 'required' };
  const runner = client.chat.completions.runTools(forced, { maxChatCompletions: 2 });
  await runner.done();
  return runner.messages;
}

print({ whole: await run(false), streamed: await run(true), inputs });
