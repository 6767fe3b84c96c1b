/** Rows of text in columns, two spaces apart; numbers stand to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => String(row[column] ?? '').length)))
  const isNumber = header.map((_, column) => rows.every((row) => /^[\d-]*$/.test(String(row[column] ?? ''))))
  return all
    .map((row) =>
      row
        .map((cell, column) => {
          const text = String(cell)
          return isNumber[column] === true ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}
