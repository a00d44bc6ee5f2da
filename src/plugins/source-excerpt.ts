/** Lines that are shown before and after the one that is meant. */
const AROUND = 2;
/** Characters of a line that are shown: what fits beside the numbers on most terminals; code that was packed has longer ones. */
const LINE_CHARS = 120;
/** Characters that are shown before the place, of a line that is too long. */
const BEFORE_CHARS = 60;
const CARET = '^';

/**
 * The lines around a place in a source, with a caret below it:
 *
 *         2 | function total(items) {
 *       > 3 |   return items.length * price;
 *           |                         ^
 *         4 | }
 *
 * @param line, column from 1
 * @returns null when the source has no such line
 */
export function excerpt(source: string, line: number, column: number): string | null {
  const all = source.split(/\r\n|[\n\r\u2028\u2029]/);
  if (line < 1 || line > all.length) return null;
  const first = Math.max(1, line - AROUND);
  const last = Math.min(all.length, line + AROUND);
  const width = String(last).length;
  // All lines are cut at the same place, so that they stand below each other as in the source.
  const whole = all[line - 1] ?? '';
  const from = whole.length <= LINE_CHARS ? 0 : Math.max(0, column - 1 - BEFORE_CHARS);
  const shown: string[] = [];
  for (let number = first; number <= last; number += 1) {
    const text = (all[number - 1] ?? '').slice(from, from + LINE_CHARS).trimEnd();
    shown.push(`${number === line ? '    > ' : '      '}${String(number).padStart(width)} | ${text}`.trimEnd());
    if (number !== line) continue;
    // Tabs stay tabs, so that the caret is below its character however wide they are.
    const indent = whole.slice(from, Math.max(from, column - 1)).replace(/[^\t]/g, ' ');
    shown.push(`      ${' '.repeat(width)} | ${indent}${CARET}`);
  }
  return shown.join('\n');
}
