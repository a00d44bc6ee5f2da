import { definePlugin } from '@streamspace/sdk';
import { z } from 'zod';

const Money = z.object({ amount: z.coerce.number().positive(), currency: z.enum(['EUR', 'USD']) });
const Event = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('paid'), at: z.iso.datetime(), total: Money }),
  z.object({ kind: z.literal('refunded'), at: z.iso.datetime(), reason: z.string().min(3).trim() }),
]);
const Order = z
  .strictObject({
    id: z.uuid(),
    mail: z.email().toLowerCase(),
    tags: z.array(z.string()).default([]),
    events: z.array(Event).max(3),
  })
  .refine((order) => order.events.at(-1)?.kind !== 'refunded' || order.events.length > 1, {
    error: 'refunded without a payment',
    path: ['events'],
  })
  .transform((order) => ({ ...order, open: order.events.length === 0 }));

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/check',
      async (request) => {
        const result = await Order.safeParseAsync(await request.json());
        if (result.success) return { order: result.data };
        return {
          issues: result.error.issues.map(({ code, path, message }) => ({ code, path: path.join('.'), message })),
        };
      },
      { auth: 'public' },
    );
    api.get('/schema', () => z.toJSONSchema(Money, { io: 'output' }), { auth: 'public' });
  },
});
