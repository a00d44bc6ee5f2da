import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { open, seal, sealingKey } from '../../src/secrets/envelope.ts';
import { createVault, type Vault } from '../../src/secrets/vault.ts';
import { keyOf, openTestKeys } from '../kit/keys.ts';
import { type TestDatabase, testDatabase } from '../kit/postgres.ts';

const master = keyOf(7);
let database: TestDatabase;
let vault: Vault;
beforeAll(async () => {
  database = await testDatabase();
  vault = createVault({ db: database.db, keys: await openTestKeys(database.db) });
});
afterAll(() => database.drop());

const rowsOf = (plugin: string) =>
  database.db.selectFrom('plugin_secrets').selectAll().where('plugin_name', '=', plugin).orderBy('name').execute();

describe('the vault', () => {
  test('gives back what was put, by plugin and name', async () => {
    await vault.put('a', { token: 'geheim ä𝄞', 'smtp.password': '', long: 'x'.repeat(60_000) });
    await vault.put('b', { token: 'other' });
    expect(await vault.get('a', 'token')).toBe('geheim ä𝄞');
    expect(await vault.get('b', 'token')).toBe('other');
    expect(await vault.get('a', 'absent')).toBeNull();
    expect(await vault.get('c', 'token')).toBeNull();
    expect(await vault.getAll('a')).toEqual({ token: 'geheim ä𝄞', 'smtp.password': '', long: 'x'.repeat(60_000) });
    expect(await vault.names('a')).toEqual(['long', 'smtp.password', 'token']);
  });

  test('put replaces all of the plugin, and nothing of others', async () => {
    await vault.put('replace', { a: '1', b: '2' });
    await vault.put('replace-not', { a: '1' });
    await vault.put('replace', { b: '3', c: '4' });
    expect(await vault.getAll('replace')).toEqual({ b: '3', c: '4' });
    await vault.put('replace', {});
    expect(await vault.getAll('replace')).toEqual({});
    expect(await vault.getAll('replace-not')).toEqual({ a: '1' });
  });

  test('delete and dropPlugin', async () => {
    await vault.put('drop', { a: '1', b: '2' });
    expect(await vault.delete('drop', 'a')).toBe(true);
    expect(await vault.delete('drop', 'a')).toBe(false);
    expect(await vault.names('drop')).toEqual(['b']);
    await vault.dropPlugin('drop');
    expect(await rowsOf('drop')).toEqual([]);
  });

  test('put stands or falls with the transaction that it is given', async () => {
    await vault.put('trx', { a: 'old' });
    const failing = database.db.transaction().execute(async (trx) => {
      await vault.put('trx', { a: 'new', b: 'new' }, trx);
      expect(await vault.getAll('trx', trx)).toEqual({ a: 'new', b: 'new' });
      throw new Error('roll back');
    });
    await expect(failing).rejects.toThrow('roll back');
    expect(await vault.getAll('trx')).toEqual({ a: 'old' });
  });

  test('nothing at rest shows the secret, and the same secret never looks the same', async () => {
    await vault.put('rest', { a: 'the-same-secret', b: 'the-same-secret' });
    const [a, b] = await rowsOf('rest');
    await vault.put('rest', { a: 'the-same-secret' });
    const [again] = await rowsOf('rest');
    const texts = [a, b, again].map((row) => Buffer.from(row?.sealed ?? []).toString('latin1'));
    for (const text of texts) expect(text).not.toContain('secret');
    expect(new Set(texts).size).toBe(3);
  });

  test('what a key sealed that nobody has is told by its name', async () => {
    await vault.put('moved', { a: '1', b: '2' });
    await database.db
      .updateTable('plugin_secrets')
      .set({ key_id: 'feedface' })
      .where('plugin_name', '=', 'moved')
      .where('name', '=', 'a')
      .execute();
    for (const call of [() => vault.get('moved', 'a'), () => vault.getAll('moved')]) {
      await expect(call()).rejects.toMatchObject({
        code: 'secrets_unreadable',
        message: expect.stringContaining('The key feedface sealed the secret "a" of plugin "moved"'),
      });
    }
    expect(await vault.get('moved', 'b')).toBe('2');
    expect(await vault.names('moved')).toEqual(['a', 'b']);
    await vault.put('moved', { a: 'entered again' });
    expect(await vault.get('moved', 'a')).toBe('entered again');
  });

  test('a row that was moved or changed does not open', async () => {
    await vault.put('tamper', { a: 'one', b: 'two' });
    const [a, b] = await rowsOf('tamper');
    const write = (plugin: string, name: string, sealed: Uint8Array) =>
      database.db
        .insertInto('plugin_secrets')
        .values({ plugin_name: plugin, name, sealed: Buffer.from(sealed), key_id: a?.key_id ?? '' })
        .onConflict((conflict) =>
          conflict.columns(['plugin_name', 'name']).doUpdateSet({ sealed: Buffer.from(sealed) }),
        )
        .execute();
    await write('tamper', 'a', b?.sealed ?? new Uint8Array());
    await write('thief', 'a', a?.sealed ?? new Uint8Array());
    await write('tamper', 'c', new Uint8Array([1, 2, 3]));
    await write('tamper', 'd', new Uint8Array([9]));
    for (const [plugin, name] of [
      ['tamper', 'a'],
      ['thief', 'a'],
      ['tamper', 'c'],
      ['tamper', 'd'],
    ] as const) {
      await expect(vault.get(plugin, name)).rejects.toMatchObject({
        code: 'secrets_unreadable',
        message: expect.stringContaining('is damaged'),
      });
    }
    expect(await vault.get('tamper', 'b')).toBe('two');
  });
});

describe('the envelope', () => {
  const key = sealingKey(master);
  const place = { plugin: 'p', name: 'n' };

  test('every bit of it counts', () => {
    const sealed = seal(key, place, 'secret');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => open(key, place, changed)).toThrow();
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => open(key, place, sealed.subarray(0, length))).toThrow();
    }
    expect(open(key, place, sealed)).toBe('secret');
  });

  test('plugin and name cannot be shifted into each other', () => {
    const sealed = seal(key, { plugin: 'a","b', name: 'c' }, 'secret');
    expect(() => open(key, { plugin: 'a', name: 'b","c' }, sealed)).toThrow();
  });

  test('a key is 32 bytes, and its name does not tell it', () => {
    expect(() => sealingKey(new Uint8Array(31))).toThrow('31 bytes');
    expect(key.id).toBe(sealingKey(master).id);
    expect(key.id).not.toBe(sealingKey(new Uint8Array(32)).id);
    expect(Buffer.from(key.bytes).toString('hex')).not.toContain(key.id);
  });
});
