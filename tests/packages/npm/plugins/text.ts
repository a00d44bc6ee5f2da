import { definePlugin } from '@streamspace/sdk';
import Handlebars from 'handlebars';
import { Marked } from 'marked';

const templates = Handlebars.create();
templates.registerHelper('money', (cents: number, currency: string) =>
  new Intl.NumberFormat('de-DE', { style: 'currency', currency }).format(cents / 100),
);
templates.registerPartial('line', '{{name}}: {{money cents @root.currency}}\n');
const invoice = templates.compile(
  '{{#if paid}}Paid{{else}}Due{{/if}} {{customer}} {{{raw}}}\n{{#each lines}}{{@index}} {{> line}}{{else}}nothing\n{{/each}}',
);

const marked = new Marked({
  gfm: true,
  renderer: {
    heading: ({ tokens, depth }) => `<h${depth} class="h">${tokens.map(({ raw }) => raw).join('')}</h${depth}>`,
  },
});

export default definePlugin({
  onLoad({ api }) {
    api.post('/invoice', async (request) => ({ text: invoice(await request.json()) }), { auth: 'public' });
    api.post('/markdown', async (request) => ({ html: marked.parse(await request.text()) }), { auth: 'public' });
  },
});
