import { loaded } from '../loaded.ts';
import { Blob, File } from './blob.ts';
import { exposeInterface } from './members.ts';

type FormValue = string | File;
type Entry = [name: string, value: FormValue];

/** The entries of a FormData, not a copy; null for anything else. */
export let entriesOf: (value: object) => Entry[] | null;

const usv = (value: unknown): string => `${value}`.toWellFormed();

function makeEntry(name: unknown, value: unknown, filename: unknown): Entry {
  if (!(value instanceof Blob)) {
    if (filename !== undefined) throw new TypeError('A file name goes with a Blob only');
    return [usv(name), usv(value)];
  }
  if (filename === undefined && value instanceof File) return [usv(name), value];
  const options: FilePropertyBag = { type: value.type };
  if (value instanceof File) options.lastModified = value.lastModified;
  return [usv(name), new File([value], filename === undefined ? 'blob' : usv(filename), options)];
}

/** `FormData` of the XMLHttpRequest standard. */
export class FormData {
  #entries: Entry[] = [];

  constructor(form?: undefined) {
    if (form !== undefined) throw new TypeError("Failed to construct 'FormData': there are no forms here");
  }

  static {
    entriesOf = (value) => (#entries in value ? (value as FormData).#entries : null);
  }

  append(name: string, value: string | Blob, filename?: string): void {
    this.#entries.push(makeEntry(name, value, filename));
  }

  set(name: string, value: string | Blob, filename?: string): void {
    const entry = makeEntry(name, value, filename);
    const at = this.#entries.findIndex(([key]) => key === entry[0]);
    if (at < 0) {
      this.#entries.push(entry);
      return;
    }
    this.#entries = this.#entries.filter(([key], index) => index <= at || key !== entry[0]);
    this.#entries[at] = entry;
  }

  delete(name: string): void {
    const key = usv(name);
    this.#entries = this.#entries.filter(([each]) => each !== key);
  }

  get(name: string): FormValue | null {
    const key = usv(name);
    return this.#entries.find(([each]) => each === key)?.[1] ?? null;
  }

  getAll(name: string): FormValue[] {
    const key = usv(name);
    return this.#entries.filter(([each]) => each === key).map(([, value]) => value);
  }

  has(name: string): boolean {
    const key = usv(name);
    return this.#entries.some(([each]) => each === key);
  }

  forEach(callback: (value: FormValue, name: string, form: FormData) => unknown, self?: unknown): void {
    for (const [name, value] of this.entries()) callback.call(self, value, name, this);
  }

  *entries(): Generator<Entry, undefined, unknown> {
    for (let i = 0; i < this.#entries.length; i++) {
      const [name, value] = this.#entries[i] as Entry;
      yield [name, value];
    }
  }

  *keys(): Generator<string, undefined, unknown> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): Generator<FormValue, undefined, unknown> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): Generator<Entry, undefined, unknown> {
    return this.entries();
  }
}
exposeInterface(FormData, 'FormData');

loaded.formData = {
  isFormData: (value): value is globalThis.FormData => entriesOf(value) !== null,
};
