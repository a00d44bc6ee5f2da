/** What a package may be: data, with the reason beside each number. Bytes unless the name says otherwise. */
export const PACKAGE_LIMITS = {
  /** Compressed archive: several times the largest first-party plugin with its npm dependencies and screenshots. */
  archiveBytes: 20 * 1024 * 1024,
  /** Unpacked, tar headers included: it is held in memory while it is read, and a bomb stops here. */
  unpackedBytes: 64 * 1024 * 1024,
  /** One file: a screenshot or a wasm module is smaller; allocated at once from the size that its header claims. */
  fileBytes: 16 * 1024 * 1024,
  /** Files and folders: date-fns alone has 2,700, the AWS client for S3 with all that it needs 1,200. */
  entries: 16_384,
  /** UTF-8 bytes of a path; just under 512, so that a GNU long-name record never ends in an empty block. */
  pathBytes: 500,
  /** Folders below each other; nested node_modules reach about 12. */
  pathDepth: 16,
  /** Unpacked to packed: source text reaches 20, deflate ends at 1032. */
  ratio: 100,
  /** The ratio is looked at from here on, since a small file of zeros harms nobody. */
  ratioFloorBytes: 1024 * 1024,
  /** Files read from a folder at the same time: enough to keep the disk busy, few descriptors. */
  parallelReads: 16,
} as const;

export const MANIFEST_LIMITS = {
  /** manifest.json: a large configSchema is 20 KiB. */
  bytes: 256 * 1024,
  /** Levels of nested arrays and objects; the host refuses more than 64 anywhere. */
  jsonDepth: 32,
  /** Problems that are listed; who has more than that starts with the first ones. */
  issues: 50,
  /** Levels of objects in a configSchema: a form deeper than that cannot be filled in. */
  configDepth: 8,
  /** Fields of one level of a configSchema. */
  configFields: 200,
} as const;

/** Migrations of a package. Bytes unless the name says otherwise. */
export const MIGRATION_LIMITS = {
  /** Files: one a week for ten years is 520. */
  files: 1_000,
  /** One file: it is statements; rows in bulk are for the plugin's code to load. */
  fileBytes: 1024 * 1024,
  /** All of them together: an install reads and checks each. */
  bytes: 8 * 1024 * 1024,
} as const;

export const BUNDLE_LIMITS = {
  /** Source that one bundle takes in: esbuild needs up to 200 bytes of memory for each byte of hostile source. */
  inputBytes: 8 * 1024 * 1024,
  /** Modules that one bundle takes in. */
  modules: 2_048,
  /** Bundled code: a frame to the isolate host holds 16 MiB. */
  outputBytes: 8 * 1024 * 1024,
  /** Source map with its contents: the source, its escapes and the mappings. */
  mapBytes: 24 * 1024 * 1024,
  /** A plugin of 20 KB takes 10 ms, one with 5 MB of dependencies 1 s. */
  deadlineMs: 10_000,
  /** Errors and warnings that are kept. */
  messages: 50,
  /** Attempts when the bundler died while several bundles were under way, before this one gets the blame. */
  attempts: 3,
  /** Bundles in the cache folder, oldest dropped first: a day of editing, and every installed plugin. */
  cacheEntries: 512,
} as const;
