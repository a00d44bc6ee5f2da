import { definePlugin } from '@streamspace/sdk';
import { DateTime, Duration, Interval, Settings } from 'luxon';

Settings.throwOnInvalid = true;

export default definePlugin({
  onLoad({ api }) {
    api.get(
      '/zones',
      () => {
        const before = DateTime.fromISO('2026-03-29T01:30', { zone: 'Europe/Berlin' });
        const meeting = DateTime.fromISO('2026-11-21T09:00', { zone: 'America/New_York' });
        const shift = Interval.fromDateTimes(before, before.plus({ days: 1 }));
        return {
          overTheGap: before.plus({ hours: 1 }).toISO(),
          dayOfTheGap: shift.length('hours'),
          kolkata: meeting.setZone('Asia/Kolkata').toISO(),
          chatham: meeting.setZone('Pacific/Chatham').toISO(),
          german: meeting.setZone('Europe/Berlin').setLocale('de').toFormat('cccc, d. LLLL yyyy HH:mm ZZZZ'),
          japanese: meeting.setLocale('ja').toLocaleString(DateTime.DATE_FULL),
          relative: meeting.plus({ hours: 3 }).toRelative({ base: meeting, locale: 'es' }),
          human: Duration.fromObject({ hours: 36, minutes: 90 }).shiftTo('days', 'hours', 'minutes').toHuman(),
          week: meeting.toISOWeekDate(),
        };
      },
      { auth: 'public' },
    );
    api.get('/unknown', () => DateTime.fromISO('2026-01-01', { zone: 'Mars/Olympus' }).toISO(), { auth: 'public' });
  },
});
