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
