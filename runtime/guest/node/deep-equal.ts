/** Apart, so that `util` does not bring all of `assert`. */
export { isDeepStrictEqual } from 'assert/build/internal/util/comparisons.js';
