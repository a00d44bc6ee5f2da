import { definePlugin } from '@streamspace/sdk';
import { chunk, cloneDeep, debounce, groupBy, isEqual, merge, orderBy, template } from 'lodash-es';

const people = [
  { name: 'Ada', team: 'core', age: 36 },
  { name: 'Grace', team: 'core', age: 85 },
  { name: 'Alan', team: 'labs', age: 41 },
];

export default definePlugin({
  onLoad({ api }) {
    api.get(
      '/lodash',
      async () => {
        const original = { when: new Date(0), set: new Set([1]), deep: { list: [1, { x: 1 }] } };
        const copy = cloneDeep(original);
        const same = isEqual(copy, original) && copy.deep.list !== original.deep.list;
        let runs = 0;
        const seen = await new Promise((resolve) => {
          const later = debounce((value: number) => resolve({ runs: ++runs, value }), 20);
          for (let i = 0; i < 5; i += 1) later(i);
        });
        return {
          groups: groupBy(people, 'team'),
          ordered: orderBy(people, ['team', 'age'], ['desc', 'asc']).map(({ name }) => name),
          chunks: chunk([1, 2, 3, 4, 5], 2),
          merged: merge({ a: { b: 1, c: [1, 2] } }, { a: { c: [3], d: null } }),
          polluted: 'polluted' in merge({}, JSON.parse('{"__proto__":{"polluted":true}}')) || 'polluted' in {},
          text: template('<% for (const name of names) { %>Hi <%- name %>! <% } %>')({ names: ['<b>', 'Ada'] }),
          same,
          seen,
        };
      },
      { auth: 'public' },
    );
  },
});
