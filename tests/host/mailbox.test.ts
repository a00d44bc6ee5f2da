import { describe, expect, test } from 'bun:test';
import { type Outgoing, readMailbox } from '../../runtime/isolate/mailbox.ts';
import { FLAG } from '../../runtime/protocol/messages.ts';
import { seeded } from '../kit/seeded.ts';

/** What a guest's `drain` makes of messages (runtime/guest/mailbox.ts). */
function drained(messages: readonly Outgoing[]): string {
  const index = messages.map(
    ({ kind, id, flags, head, body }) => `${kind},${id},${flags},${head.length},${body?.length ?? 0};`,
  );
  return `${index.join('')}\n${messages.map(({ head, body }) => head + (body ?? '')).join('')}`;
}

function read(text: string): Outgoing[] {
  const messages: Outgoing[] = [];
  readMailbox(text, (message) => messages.push(message));
  return messages;
}

const MESSAGES: readonly Outgoing[] = [
  { kind: 30, id: 1, flags: FLAG.body, head: '{"s":200}', body: 'hello' },
  { kind: 31, id: 0xffff_ffff, flags: 0, head: '"a;b,c\n"', body: null },
  { kind: 32, id: 0, flags: FLAG.body | FLAG.binary, head: '', body: '\u0000ÿ;,\n' },
  { kind: 33, id: 5, flags: FLAG.body, head: '', body: '' },
];

test('messages are read as they were posted, separators and newlines in them included', () => {
  expect(read(drained(MESSAGES))).toEqual([...MESSAGES]);
});

describe('what does not add up is refused', () => {
  const whole = drained([{ kind: 30, id: 1, flags: FLAG.body, head: 'ab', body: 'cd' }]);

  test.each([
    ['no line', 'abc'],
    ['nothing', ''],
    ['a text without an entry', '\nabc'],
    ['a field that is no number', '30,x,1,2,2;\nabcd'],
    ['a sign', '30,-1,1,2,2;\nabcd'],
    ['a point', '30,1.5,1,2,2;\nabcd'],
    ['an exponent', '3e1,1,1,2,2;\nabcd'],
    ['an empty field', '30,,1,2,2;\nabcd'],
    ['too few fields', '30,1,1,2;\nabcd'],
    ['too many fields', '30,1,1,2,2,2;\nabcd'],
    ['no end of an entry', '30,1,1,2,2\nabcd'],
    ['a kind that is none', '256,1,1,2,2;\nabcd'],
    ['flags that are none', '30,1,256,2,2;\nabcd'],
    ['an id that is none', '30,4294967296,1,2,2;\nabcd'],
    ['a number that is too long', '30,00000000001,1,2,2;\nabcd'],
    ['more than there is', '30,1,1,2,3;\nabcd'],
    ['a length beyond everything', '30,1,1,9999999999,2;\nabcd'],
    ['two lengths that overlap', '30,1,1,2,2;30,1,1,2,2;\nabcd'],
    ['less than there is', '30,1,1,2,1;\nabcd'],
  ])('%s', (_what, text) => {
    expect(() => read(text)).toThrow(Error);
  });

  test('any single change to the index is noticed, or gives a message of the same text', () => {
    const line = whole.indexOf('\n');
    for (let at = 0; at < line; at += 1) {
      for (const char of '0;,x ') {
        const changed = whole.slice(0, at) + char + whole.slice(at + 1);
        try {
          for (const { head, body } of read(changed)) expect('abcd').toContain(head + (body ?? ''));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }
    }
  });

  test('noise is refused or read, and never hands out more than it holds', () => {
    const random = seeded(99);
    const alphabet = '0123456789,;\nab';
    for (let round = 0; round < 20_000; round += 1) {
      const text = Array.from({ length: random.below(40) }, () => alphabet[random.below(alphabet.length)]).join('');
      let handed = 0;
      try {
        readMailbox(text, ({ head, body }) => {
          handed += head.length + (body?.length ?? 0);
        });
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect(handed).toBeLessThanOrEqual(text.length);
    }
  });
});
