/** A part of the suite that this platform claims. */
export interface Area {
  readonly name: string;
  /** Folders or files of the checkout. */
  readonly paths: readonly string[];
  /** `.window.js` files of it, or variants of one, that need no window; all others of that kind are passed over. */
  readonly windowless?: readonly string[];
}

/** What is measured; each has its expected failures in `expected/<name>.json`. */
export const AREAS: readonly Area[] = [
  { name: 'url', paths: ['url'], windowless: ['url/IdnaTestV2.window.js', 'url/toascii.window.js'] },
  { name: 'urlpattern', paths: ['urlpattern'] },
  { name: 'encoding', paths: ['encoding'], windowless: ['encoding/single-byte-decoder.window.js?TextDecoder'] },
  { name: 'atob', paths: ['html/webappapis/atob'] },
  { name: 'structured-clone', paths: ['html/webappapis/structured-clone'] },
  { name: 'timers', paths: ['html/webappapis/timers'] },
  { name: 'microtasks', paths: ['html/webappapis/microtask-queuing'] },
  { name: 'fetch-headers', paths: ['fetch/api/headers'] },
  { name: 'fetch-request', paths: ['fetch/api/request'] },
  { name: 'fetch-response', paths: ['fetch/api/response'] },
  { name: 'fetch-body', paths: ['fetch/api/body'] },
  { name: 'streams', paths: ['streams'] },
  {
    name: 'compression',
    paths: ['compression'],
    windowless: [
      'compression/compression-with-detach.tentative.window.js',
      'compression/decompression-with-detach.tentative.window.js',
    ],
  },
  { name: 'webcrypto', paths: ['WebCryptoAPI'] },
  { name: 'dom-abort', paths: ['dom/abort'] },
  { name: 'dom-events', paths: ['dom/events'] },
  { name: 'fileapi', paths: ['FileAPI'] },
  { name: 'formdata', paths: ['xhr/formdata'] },
  { name: 'webmessaging', paths: ['webmessaging'] },
];
