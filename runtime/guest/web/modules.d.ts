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

declare module 'packed:tr46' {
  /** A script that defines `tr46`: deflated, in base64 (made by runtime/guest/build.ts). */
  const script: string;
  export = script;
}
