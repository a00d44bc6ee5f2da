import { definePlugin } from '@streamspace/sdk';
import {
  addMonths,
  differenceInBusinessDays,
  eachWeekOfInterval,
  format,
  formatDistance,
  isWithinInterval,
  parse,
} from 'date-fns';
import { de } from 'date-fns/locale';

const day = (text: string): Date => parse(text, 'yyyy-MM-dd', new Date(0));
const iso = (date: Date): string => format(date, 'yyyy-MM-dd');

export default definePlugin({
  onLoad({ api }) {
    api.get(
      '/dates',
      () => ({
        endOfMonth: iso(addMonths(day('2026-01-31'), 1)),
        leap: iso(addMonths(day('2024-01-31'), 1)),
        businessDays: differenceInBusinessDays(day('2026-11-30'), day('2026-11-20')),
        weeks: eachWeekOfInterval({ start: day('2026-11-01'), end: day('2026-11-21') }, { weekStartsOn: 1 }).map(iso),
        german: format(day('2026-03-08'), 'EEEE, d. MMMM yyyy', { locale: de }),
        distance: formatDistance(day('2026-01-01'), day('2026-03-05'), { addSuffix: true, locale: de }),
        within: isWithinInterval(day('2026-02-02'), { start: day('2026-02-01'), end: day('2026-02-03') }),
        wrong: Number.isNaN(day('2026-02-30').getTime()),
      }),
      { auth: 'public' },
    );
  },
});
