import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { Loss } from './guest.ts';

/** What whoever waited is told: the plugin's own doing is an error of the plugin, the rest will pass. */
export function goneFailure({ reason, verdict, detail }: Omit<Loss, 'underWay'>): CodedError {
  switch (reason) {
    case 'cpu':
      return new CodedError('plugin_deadline', 'The plugin ran longer than its CPU limit');
    case 'memory':
      return new CodedError('plugin_error', 'The plugin used more memory than its limit');
    case 'protocol':
      return new CodedError('plugin_error', 'The plugin broke the protocol of its isolate');
    case 'catastrophic':
      return new CodedError('plugin_error', 'The plugin brought its isolate down');
    case 'host':
      return verdict === 'culprit'
        ? new CodedError('plugin_error', `The plugin brought its process down: ${detail}`)
        : unavailable();
    default:
      return unavailable();
  }
}

export function unavailable(): CodedError {
  return new CodedError('plugin_unavailable', undefined, { retryAfter: 1 });
}
