import { asked, client, print } from './asking.mjs';

const events = [];
for await (const event of await client.messages.create({ ...asked, max_tokens: 3, stream: true })) {
  events.push(event);
}
print(events);
