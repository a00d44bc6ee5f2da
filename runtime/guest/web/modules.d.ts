declare module 'shared:core' {
  /** The modules of the core that parts import, by path; made by src/host/prelude-build.ts. */
  export const shared: Readonly<Record<string, object>>;
}

declare module 'whatwg-mimetype/lib/mime-type.js' {
  /** https://mimesniff.spec.whatwg.org/#mime-type-representation */
  class MIMEType {
    static parse(input: string): MIMEType | null;
    get essence(): string;
    get parameters(): ReadonlyMap<string, string>;
    toString(): string;
  }
  export = MIMEType;
}
