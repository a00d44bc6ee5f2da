import { definePlugin } from '@streamspace/sdk';
import ICAL from 'ical.js';

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/occurrences',
      async (request) => {
        const calendar = new ICAL.Component(ICAL.parse(await request.text()));
        for (const zone of calendar.getAllSubcomponents('vtimezone')) ICAL.TimezoneService.register(zone);
        const event = new ICAL.Event(calendar.getFirstSubcomponent('vevent') as ICAL.Component);
        const starts: string[] = [];
        const iterator = event.iterator();
        for (let next = iterator.next(); next && starts.length < 50; next = iterator.next()) {
          starts.push(event.getOccurrenceDetails(next).startDate.toJSDate().toISOString());
        }
        return { summary: event.summary, minutes: event.duration.toSeconds() / 60, starts };
      },
      { auth: 'public' },
    );
    api.get(
      '/write',
      () => {
        const calendar = new ICAL.Component(['vcalendar', [], []]);
        calendar.updatePropertyWithValue('prodid', '-//streamspace//test//EN');
        calendar.updatePropertyWithValue('version', '2.0');
        const vevent = new ICAL.Component('vevent');
        const event = new ICAL.Event(vevent);
        event.uid = 'one@streamspace';
        event.summary = `Session; with, "marks" and ${'a long line '.repeat(8).trim()}`;
        event.startDate = ICAL.Time.fromJSDate(new Date('2026-11-21T09:00:00Z'), true);
        event.endDate = ICAL.Time.fromJSDate(new Date('2026-11-21T10:30:00Z'), true);
        calendar.addSubcomponent(vevent);
        return new Response(calendar.toString(), { headers: { 'content-type': 'text/calendar' } });
      },
      { auth: 'public' },
    );
  },
});
