import { definePlugin } from '@streamspace/sdk';
import Papa from 'papaparse';

interface Row {
  readonly name: string;
  readonly seats: number;
}

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/parse',
      async (request) => {
        const { data, errors, meta } = Papa.parse<Row>(await request.text(), {
          header: true,
          dynamicTyping: true,
          skipEmptyLines: true,
        });
        return {
          data,
          errors: errors.map(({ code, row }) => [code, row]),
          fields: meta.fields,
          delimiter: meta.delimiter,
        };
      },
      { auth: 'public' },
    );
    api.post(
      '/sum',
      async (request) => {
        let sum = 0;
        let rows = 0;
        Papa.parse<[string, number]>(await request.text(), {
          dynamicTyping: true,
          step: ({ data }) => {
            sum += data[1];
            rows += 1;
          },
        });
        return { sum, rows };
      },
      { auth: 'public' },
    );
    api.post('/write', async (request) => ({ csv: Papa.unparse(await request.json(), { delimiter: ';' }) }), {
      auth: 'public',
    });
  },
});
