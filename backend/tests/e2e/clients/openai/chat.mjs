import { asked, client, print } from './asking.mjs';

const { data, request_id } = await client.chat.completions.create(asked).withResponse();
print({ answer: data, request_id });
