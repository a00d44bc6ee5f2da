import type { PluginSource } from '../kit/plugin.ts';

/** A plugin that keeps something in each place where a plugin can, and tells what it has. */
export const KEEPER: PluginSource = {
  manifest: {
    name: 'keeper',
    permissions: ['database', 'files'],
    configSchema: {
      type: 'object',
      properties: { colour: { type: 'string', default: 'red' }, key: { type: 'string', format: 'password' } },
    },
  },
  'migrations/001.sql': `
    create type mood as enum ('good', 'bad');
    create table notes (id bigint generated always as identity primary key, text text not null, mood mood default 'good');
    create view good as select * from notes where mood = 'good';`,
  'index.ts': `
    const { api, storage, files, database, config, secrets } = streamspace;
    api.post('/keep', async (request, { body }) => {
      const { word } = JSON.parse(await request.text());
      await database.exec('insert into notes (text) values ($1)', [word]);
      await storage.set('word', word);
      await storage.increment('times', 1);
      await files.put('words/' + word + '.txt', 'the word is ' + word);
      await files.put('empty', '');
      return { kept: word };
    });
    api.get('/kept', async () => {
      const { files: list } = await files.list({ prefix: '' });
      const texts = {};
      for (const { path } of list) {
        const file = await files.get(path);
        texts[path] = await new Response(file.body ?? '').text();
      }
      return {
        notes: await database.query('select id, text, mood from good order by id'),
        word: await storage.get('word'),
        times: await storage.get('times'),
        texts,
        colour: config.colour,
        key: await secrets.get('key'),
      };
    });`,
};
