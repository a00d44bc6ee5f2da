/**
 * The lazy modules whose objects are told apart elsewhere (what a body is made from, what can be cloned), once they are
 * evaluated: as long as one is not, no object of its classes exists, and telling a kind does not have to evaluate it.
 */
export const loaded: {
  blob?: { bytesOf(value: object): Uint8Array<ArrayBuffer> | null };
  cryptoKey?: { copyOf(value: object): object | null };
  url?: { isSearchParams(value: object): boolean };
  messagePort?: {
    isPort(value: object): boolean;
    /** A port that takes its place once `commit` was called, which is false when it was moved already. */
    prepareMove(port: object): { readonly made: object; commit(): boolean };
  };
  formData?: { isFormData(value: object): value is FormData };
} = {};
