import { CodedError } from '../../sandbox-apis/_kit/errors.ts';
import type { DatabaseService } from '../../sandbox-apis/database/service.ts';

/** The databases of plugins where there is no server. */
export function noDatabases(): DatabaseService {
  const fail = async (): Promise<never> => {
    throw new CodedError('database_unavailable');
  };
  return { run: fail, stream: fail, begin: fail, commit: fail, rollback: fail, migrate: fail };
}
