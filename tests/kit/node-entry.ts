/** The prelude for tests, with the `require` that bundles get, as `__require`. */
import { createRequire } from '../../runtime/guest/require.ts';
import { clearContext } from '../../runtime/guest/web/async-context.ts';
import './prelude-entry.ts';

const connect = () => 'connected';
Object.assign(globalThis, { __require: createRequire(() => connect), __clearContext: () => clearContext() });
