import { definePlugin } from '@streamspace/sdk';
import { subscribe } from './events.ts';
import { registerJobs } from './jobs.ts';
import { registerRoutes } from './routes.ts';
import type { SlackSettings } from './settings.ts';

export default definePlugin<SlackSettings>({
  onLoad(ctx) {
    registerRoutes(ctx);
    registerJobs(ctx);
    subscribe(ctx);
  },
  // The toggles may have changed: only what is wanted is delivered.
  onConfigChange(_settings, ctx) {
    subscribe(ctx);
  },
});
