import { definePlugin } from '@streamspace/sdk';
import { applyPatches, enableMapSet, enablePatches, type Patch, produce, produceWithPatches } from 'immer';
import {
  firstValueFrom,
  interval,
  lastValueFrom,
  map,
  merge,
  of,
  retry,
  Subject,
  scan,
  switchMap,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import superjson from 'superjson';

enablePatches();
enableMapSet();

interface Board {
  readonly todos: { readonly text: string; readonly done: boolean }[];
  readonly seen: Map<string, number>;
}

export default definePlugin({
  onLoad({ api }) {
    api.get(
      '/immer',
      () => {
        const before: Board = { todos: [{ text: 'write', done: false }], seen: new Map([['a', 1]]) };
        const [after, patches, inverse] = produceWithPatches(before, (draft) => {
          draft.todos.push({ text: 'test', done: true });
          (draft.todos[0] as { done: boolean }).done = true;
          draft.seen.set('b', 2);
        });
        const undone = applyPatches(after, inverse as Patch[]);
        const untouched = produce(before, () => undefined);
        return {
          todos: after.todos,
          seen: [...after.seen],
          patches,
          undone: [undone.todos, [...undone.seen]],
          shared: untouched === before,
          frozen: Object.isFrozen(after.todos),
          before: before.todos.length,
        };
      },
      { auth: 'public' },
    );
    api.get(
      '/rxjs',
      async () => {
        let tries = 0;
        const flaky = timer(1).pipe(
          switchMap(() => (++tries < 3 ? throwError(() => new Error('not yet')) : of('done'))),
          retry({ count: 5, delay: 2 }),
        );
        const source = new Subject<number>();
        const sums = firstValueFrom(
          source.pipe(
            scan((sum, value) => sum + value, 0),
            take(4),
            toArray(),
          ),
        );
        for (const value of [1, 2, 3, 4, 5]) source.next(value);
        const ticks = lastValueFrom(
          interval(2).pipe(
            take(3),
            map((tick) => `tick ${tick}`),
            toArray(),
          ),
        );
        const merged = lastValueFrom(merge(of(1, 2), of(3)).pipe(toArray()));
        return {
          flaky: await firstValueFrom(flaky),
          tries,
          sums: await sums,
          ticks: await ticks,
          merged: await merged,
        };
      },
      { auth: 'public' },
    );
    api.get(
      '/superjson',
      () => {
        const when = new Date('2026-11-21T09:00:00Z');
        return superjson.serialize({
          when,
          tags: new Set(['a']),
          counts: new Map([['x', 1n]]),
          none: undefined,
          url: new URL('https://a.example/b?c'),
          re: /a+/gi,
          nan: NaN,
          again: when,
        });
      },
      { auth: 'public' },
    );
    api.post(
      '/superjson',
      async (request) => {
        const value = superjson.parse<{ at: Date; ids: Set<bigint> }>(await request.text());
        return { year: value.at.getUTCFullYear(), isDate: value.at instanceof Date, ids: [...value.ids].map(String) };
      },
      { auth: 'public' },
    );
  },
});
