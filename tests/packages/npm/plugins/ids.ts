import { definePlugin } from '@streamspace/sdk';
import { customAlphabet, nanoid } from 'nanoid';
import { parse, stringify, v3, v4, v5, v7, validate, version } from 'uuid';

export default definePlugin({
  onLoad({ api }) {
    api.get(
      '/nanoid',
      () => ({ ids: Array.from({ length: 2_000 }, () => nanoid()), pin: customAlphabet('0123456789', 8)() }),
      {
        auth: 'public',
      },
    );
    api.get(
      '/uuid',
      () => {
        const before = Date.now();
        const seven = Array.from({ length: 500 }, () => v7());
        return {
          v3: v3('hello.example.com', v3.DNS),
          v4: Array.from({ length: 500 }, () => v4()),
          v5: v5('hello.example.com', v5.DNS),
          v7: seven,
          between: [before, Date.now()],
          round: stringify(parse('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b')),
          valid: [validate('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'), validate('not a uuid')],
          versions: [version(v4()), version(v7())],
        };
      },
      { auth: 'public' },
    );
  },
});
