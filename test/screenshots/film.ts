/**
 * What an emulated terminal shows, over time, as one SVG: a strip of frames that moves by one frame at a time. Each row that is
 * there more than once is drawn once. Blocks are drawn as areas, for fonts leave gaps between them.
 */
import type { Terminal } from '@xterm/headless'

interface Run {
  readonly column: number
  readonly text: string
  readonly color: number
  readonly isBold: boolean
  readonly isDim: boolean
}
type Row = readonly Run[]
export interface Frame {
  readonly rows: readonly Row[]
  /** For how long it is shown. */
  readonly ms: number
}

const CELL = { width: 8.4, height: 18, baseline: 13.5 }
const FONT_PX = 14
const MARGIN = 16
const BLOCKS = ' ▁▂▃▄▅▆▇█'
const GROUND = '#0f1413'
const INK = '#e6edea'
/** Of the 16 colours, those that are used. */
const COLORS: Readonly<Record<number, string>> = { 1: '#ff8a80', 2: '#5cd3a4', 3: '#ffd166', 6: '#6fc7e8' }

/** What it shows now. */
export function rowsOf(terminal: Terminal): readonly Row[] {
  const { active } = terminal.buffer
  return Array.from({ length: terminal.rows }, (_, y): Row => {
    const line = active.getLine(active.baseY + y)
    const runs: Run[] = []
    for (let x = 0; x < terminal.cols; x++) {
      const cell = line?.getCell(x)
      if (cell === undefined || cell.getWidth() === 0) continue
      const own = {
        color: cell.isFgPalette() ? cell.getFgColor() : -1,
        isBold: cell.isBold() !== 0,
        isDim: cell.isDim() !== 0,
      }
      const text = cell.getChars() || ' '
      const last = runs.at(-1)
      const isBlock = BLOCKS.indexOf(text) > 0
      const continues =
        last?.color === own.color &&
        last.isBold === own.isBold &&
        last.isDim === own.isDim &&
        (text === ' ' || last.text.trim() === '' || BLOCKS.indexOf(last.text.trimStart().charAt(0)) > 0 === isBlock)
      if (continues) runs[runs.length - 1] = { ...last, text: last.text + text }
      else runs.push({ ...own, column: x, text })
    }
    return runs.filter(({ text }) => text.trim() !== '')
  })
}

export function filmOf(frames: readonly Frame[], columns: number, title: string): string {
  const rows = Math.max(...frames.map(({ rows: all }) => all.findLastIndex((row) => row.length > 0) + 1))
  const [width, height] = [columns * CELL.width + 2 * MARGIN, rows * CELL.height + 2 * MARGIN]
  const names = new Map<string, string>()
  const nameOf = (row: Row): string => {
    const drawn = row.map(drawnRun).join('')
    const name = names.get(drawn) ?? `r${String(names.size)}`
    names.set(drawn, name)
    return name
  }
  const strip = frames.map(({ rows: all }, i) => {
    const uses = all.slice(0, rows).flatMap((row, y) => {
      const at = `x="${number(i * width)}" y="${number(y * CELL.height)}"`
      return row.length === 0 ? [] : [`<use href="#${nameOf(row)}" ${at}/>`]
    })
    return uses.join('')
  })
  const totalMs = frames.reduce((sum, { ms }) => sum + ms, 0)
  let atMs = 0
  const stops = frames.map(({ ms }, i) => {
    const stop = `${number((atMs / totalMs) * 100)}%{transform:translateX(${number(-i * width)}px)}`
    atMs += ms
    return stop
  })
  const lastX = number(-(frames.length - 1) * width)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${number(width)} ${number(height)}" role="img" aria-label="${title}">`,
    `<style>text{font:${String(FONT_PX)}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:${INK};white-space:pre}`,
    ...Object.entries(COLORS).map(([color, value]) => `.c${color}{fill:${value}}`),
    `.b{font-weight:bold}.d{opacity:.6}.film{animation:film ${number(totalMs / 1000)}s steps(1,end) infinite}`,
    `@media(prefers-reduced-motion:reduce){.film{animation:none;transform:translateX(${lastX}px)}}`,
    `@keyframes film{${stops.join('')}}</style>`,
    `<rect width="100%" height="100%" rx="8" fill="${GROUND}"/>`,
    `<defs>${[...names].map(([drawn, name]) => `<g id="${name}">${drawn}</g>`).join('')}</defs>`,
    `<g transform="translate(${String(MARGIN)} ${String(MARGIN)})"><g class="film">${strip.join('')}</g></g>`,
    '</svg>\n',
  ].join('\n')
}

function drawnRun({ column, text, color, isBold, isDim }: Run): string {
  const own = text.trimEnd()
  const start = own.length - own.trimStart().length
  const classes = [COLORS[color] === undefined ? '' : `c${String(color)}`, isBold ? 'b' : '', isDim ? 'd' : '']
  const style = classes.some(Boolean) ? ` class="${classes.filter(Boolean).join(' ')}"` : ''
  if (BLOCKS.indexOf(own[start] ?? '') > 0)
    return `<path shape-rendering="crispEdges"${style} d="${outlineOf(own, column)}"/>`
  const [x, length] = [(column + start) * CELL.width, (own.length - start) * CELL.width]
  return `<text${style} x="${number(x)}" y="${number(CELL.baseline)}" textLength="${number(length)}">${escaped(own.trimStart())}</text>`
}

/** Of the blocks together: from the left end of the bottom, along their tops, to the right end. */
function outlineOf(blocks: string, column: number): string {
  const heights = Array.from(blocks, (block) => (BLOCKS.indexOf(block) / 8) * CELL.height)
  let path = `M${number(column * CELL.width)} ${String(CELL.height)}`
  heights.forEach((height, i) => {
    if (height !== heights[i - 1]) path += `V${number(CELL.height - height)}`
    if (height !== heights[i + 1]) path += `H${number((column + i + 1) * CELL.width)}`
  })
  return `${path}V${String(CELL.height)}Z`
}

const number = (n: number): string => String(Math.round(n * 100) / 100)
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
