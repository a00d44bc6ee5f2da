import { heavy } from '../heavy.ts';

/** What urlpattern-polyfill takes for the globals of their names (src/host/prelude-build.ts). */
export const { URL } = heavy.url();

const Native = RegExp;

/** The standard compiles groups with the flag `v`, the polyfill with `u`. */
class PatternRegExp extends Native {
  constructor(source: string, flags?: string) {
    super(source, flags?.replace('u', 'v'));
  }
}

export { PatternRegExp as RegExp };
