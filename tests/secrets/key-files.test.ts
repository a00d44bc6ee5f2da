import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import { createKeyFiles } from '../../src/secrets/key-files.ts';
import { type FileSource, keySource } from '../../src/secrets/key-source.ts';

const root = mkdtempSync(join(tmpdir(), 'streamspace-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const KEY = Buffer.alloc(32, 7).toString('base64');
let folders = 0;
const folder = () => join(root, String(++folders));
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('the key files', () => {
  test('a key is made once, for its owner alone, and kept', () => {
    const dataDir = folder();
    const files = createKeyFiles(dataDir);
    expect(files.read()).toBeNull();
    const key = files.make();
    expect(key).toHaveLength(32);
    expect(files.make()).toEqual(key);
    expect(createKeyFiles(dataDir).read()).toEqual(key);
    expect(readdirSync(dataDir)).toEqual(['secret.key']);
    expect(modeOf(files.path)).toBe(0o600);
    expect(createKeyFiles(folder()).make()).not.toEqual(key);
  });

  test('the next key stands beside it, then in its place or nowhere', () => {
    const dataDir = folder();
    const files = createKeyFiles(dataDir);
    const first = files.make();
    const second = files.makeNext();
    expect(second).not.toEqual(first);
    expect(files.makeNext()).toEqual(second);
    expect(modeOf(`${files.path}.next`)).toBe(0o600);
    expect(files.read()).toEqual(first);
    files.dropNext();
    files.dropNext();
    expect(files.readNext()).toBeNull();
    const third = files.makeNext();
    files.promoteNext();
    expect(files.read()).toEqual(third);
    expect(readdirSync(dataDir)).toEqual(['secret.key']);
    expect(modeOf(files.path)).toBe(0o600);
  });

  test('what a killed process left of a key is removed', () => {
    const dataDir = folder();
    const key = createKeyFiles(dataDir).make();
    for (const name of ['secret.key', 'secret.key.next']) {
      writeFileSync(join(dataDir, `${name}.${crypto.randomUUID()}`), `${KEY}\n`, { mode: 0o600 });
    }
    writeFileSync(join(dataDir, 'secret.key.of-mine'), 'stays');
    expect(createKeyFiles(dataDir).read()).toEqual(key);
    expect(readdirSync(dataDir).sort()).toEqual(['secret.key', 'secret.key.of-mine']);
  });

  test('processes that race for a file get the same text', async () => {
    const path = join(folder(), 'secret');
    const script = `import { secretFile } from '${resolve(import.meta.dir, '../../src/secret-file.ts')}';
      console.log(secretFile(${JSON.stringify(path)}, () => crypto.randomUUID()));`;
    const racers = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' }));
    const texts = await Promise.all(racers.map((racer) => new Response(racer.stdout).text()));
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]?.trim()).toBe(readFileSync(path, 'utf8').trim());
  });
});

describe('where the keys come from', () => {
  test('of the environment, and then nothing is written', () => {
    const dataDir = folder();
    const source = keySource(loadConfig({ STREAMSPACE_SECRET_KEY: KEY, DATA_DIR: dataDir }));
    expect(source.read().map((key) => Buffer.from(key).toString('base64'))).toEqual([KEY]);
    expect(() => readdirSync(dataDir)).toThrow();
  });

  test('of files, which others must not read, and which hold a key', () => {
    const dataDir = folder();
    const config = loadConfig({ DATA_DIR: dataDir });
    const path = join(dataDir, 'secret.key');
    mkdirSync(dataDir);
    writeFileSync(path, `${KEY}\n`, { mode: 0o640 });
    expect(() => keySource(config).read()).toThrow(/DATA_DIR: .*chmod 600/);
    rmSync(path);
    writeFileSync(path, 'hunter22\n', { mode: 0o600 });
    const source = keySource(config) as FileSource;
    expect(() => source.read()).toThrow(/^DATA_DIR: .*secret\.key is no key: it has 6 bytes$/);
    expect(readFileSync(path, 'utf8')).toBe('hunter22\n');
  });
});
