import type { Handlers } from '../_kit/contract.ts';
import { CodedError } from '../_kit/errors.ts';
import type { RegistrationSink } from '../_kit/registrations.ts';
import type { servicesContract } from './contract.ts';
import { isService, SERVICES } from './kinds.ts';

export interface ServicesDeps {
  readonly registrations: RegistrationSink;
}

/** The core's half of `streamspace.services`. */
export function createServicesBroker({ registrations }: ServicesDeps): Handlers<typeof servicesContract> {
  return {
    provide(caller, { service, methods, handler }) {
      if (!isService(service)) {
        throw new CodedError(
          'invalid_input',
          `There is no service "${service}"; there are: ${Object.keys(SERVICES).join()}`,
        );
      }
      const missing = Object.keys(SERVICES[service].methods).filter((name) => !methods.includes(name));
      if (missing.length > 0) {
        throw new CodedError('invalid_input', `The service ${service} lacks methods: ${missing.join(', ')}`);
      }
      return { id: registrations.add(caller, { kind: 'service', name: service, handler }) };
    },
  };
}
