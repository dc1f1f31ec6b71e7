import { client, model, print } from './asking.mjs';

const listed = [];
for await (const each of client.models.list({ limit: 2 })) {
  listed.push(each);
}
print({ listed, one: await client.models.retrieve(model) });
