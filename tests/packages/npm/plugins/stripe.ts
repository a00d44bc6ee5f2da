import { definePlugin } from '@streamspace/sdk';
import Stripe from 'stripe';

interface Settings {
  readonly host: string;
  readonly port: string;
  readonly key: string;
  readonly webhookSecret: string;
}

const open = { auth: 'public' } as const;
const outcome = async (work: () => Promise<object>): Promise<object> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    const { type, code, statusCode, message } = error;
    return { type, code, statusCode, message };
  }
};

export default definePlugin<Settings>({
  onLoad({ api, config }) {
    const stripe = new Stripe(config.key, {
      host: config.host,
      port: config.port,
      protocol: 'http',
      maxNetworkRetries: 2,
      telemetry: false,
      httpClient: Stripe.createFetchHttpClient(),
    });
    const provider = Stripe.createSubtleCryptoProvider();

    api.post(
      '/customer',
      async (request) => {
        const { email } = (await request.json()) as { email: string };
        return outcome(async () => {
          const customer = await stripe.customers.create(
            { email, metadata: { plan: 'team & co' } },
            { idempotencyKey: 'key-1' },
          );
          return { id: customer.id, request: customer.lastResponse.requestId };
        });
      },
      open,
    );
    api.get(
      '/invoices',
      async () => {
        const ids: string[] = [];
        for await (const invoice of stripe.invoices.list({ limit: 2 })) ids.push(invoice.id ?? '');
        return { ids };
      },
      open,
    );
    api.get(
      '/charge',
      () => outcome(() => stripe.paymentIntents.create({ amount: 500, currency: 'eur', confirm: true })),
      open,
    );
    api.post(
      '/webhook',
      async (request) => {
        const signature = request.headers.get('stripe-signature') ?? '';
        const body = await request.text();
        return outcome(async () => {
          const event = await stripe.webhooks.constructEventAsync(
            body,
            signature,
            config.webhookSecret,
            undefined,
            provider,
          );
          return { type: event.type, id: event.id };
        });
      },
      open,
    );
  },
});
