/**
 * The lazy modules whose objects a body can be made from, once they are evaluated: as long as one is not, no object of
 * its classes exists, and telling a body's kind does not have to evaluate it.
 */
export const loaded: {
  blob?: { bytesOf(value: object): Uint8Array<ArrayBuffer> | null };
  url?: { isSearchParams(value: object): boolean };
  formData?: { isFormData(value: object): value is FormData };
} = {};
