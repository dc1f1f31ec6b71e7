// The client asks for base64 unless it is told otherwise, and decodes it.
import { client, model, print } from './asking.mjs';

const several = await client.embeddings.create({ model, input: ['pod', 'node'] });
const floats = await client.embeddings.create({ model, input: 'pod', encoding_format: 'float' });
print({ several, floats });
