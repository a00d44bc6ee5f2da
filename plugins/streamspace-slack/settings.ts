import type { StreamSpace } from '@streamspace/sdk';

/** The plugin's configuration as `configSchema` in manifest.json makes it; the address of the webhook is a secret. */
export interface SlackSettings {
  readonly channel: string;
  readonly username: string;
  readonly iconEmoji: string;
  readonly iconUrl: string;
  readonly detailLevel: 'summary' | 'detailed';
  readonly rateLimitPerHour: number;
  readonly retryAttempts: number;
  readonly notifyOnSessionCreated: boolean;
  readonly notifyOnSessionStarted: boolean;
  readonly notifyOnSessionStopped: boolean;
  readonly notifyOnSessionHibernated: boolean;
  readonly notifyOnSessionWoken: boolean;
  readonly notifyOnSessionDeleted: boolean;
  readonly notifyOnUserCreated: boolean;
  readonly notifyOnUserUpdated: boolean;
  readonly notifyOnUserDeleted: boolean;
  readonly notifyOnUserLogin: boolean;
  readonly notifyOnUserLogout: boolean;
}

/** The platform as this plugin sees it: its configuration typed. */
export type Slack = StreamSpace<SlackSettings>;

/** The address to post to; the schema requires it, so that it is there. */
export async function webhookUrl(ctx: Slack): Promise<string> {
  const url = await ctx.secrets.get('webhookUrl');
  if (url === null) throw new Error('the webhook URL is not configured');
  return url;
}
