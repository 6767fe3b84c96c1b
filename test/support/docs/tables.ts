/** Rows below their headings, as Markdown. */
export function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')
}

/** What is no code in a cell: browsers take `<name>` for an element of a page. */
export const text = (words: string): string => words.replace(/`[^`]*`|</g, (found) => (found === '<' ? '\\<' : found))
