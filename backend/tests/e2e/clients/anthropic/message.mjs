import { asked, client, print } from './asking.mjs';

const { data, request_id } = await client.messages.create(asked).withResponse();
print({ message: data, request_id, own_id: data._request_id });
