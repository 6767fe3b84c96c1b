/** Lines of a terminal as text with what it means, cut and padded by what it takes on the screen. Pure. */
import { styleText } from 'node:util'
import stringWidth from 'string-width'

export type Tone = 'plain' | 'dim' | 'strong' | 'accent' | 'news' | 'good' | 'bad'

export interface Span {
  readonly text: string
  readonly tone: Tone
}
export type Line = readonly Span[]

const styles: Readonly<Record<Tone, Parameters<typeof styleText>[0] | undefined>> = {
  plain: undefined,
  dim: 'dim',
  strong: 'bold',
  accent: 'cyan',
  news: ['bold', 'yellow'],
  good: 'green',
  bad: ['bold', 'red'],
}

/** As people see them. */
const characters = new Intl.Segmenter()

export const span = (text: string, tone: Tone = 'plain'): Span => ({ text, tone })

/** In columns: wide characters take two, those that combine none. */
export const widthOf = (text: string): number => stringWidth(text)

export const lineWidth = (line: Line): number => line.reduce((sum, { text }) => sum + widthOf(text), 0)

/** With … at its end where something was cut off. */
export function cut(text: string, width: number): string {
  if (width <= 0) return ''
  if (widthOf(text) <= width) return text
  let fitting = ''
  let left = width - 1
  for (const { segment } of characters.segment(text)) {
    left -= widthOf(segment)
    if (left < 0) break
    fitting += segment
  }
  return `${fitting}…`
}

export function padded(text: string, width: number): string {
  const fitting = cut(text, width)
  return `${fitting}${' '.repeat(Math.max(0, width - widthOf(fitting)))}`
}

export function paddedLeft(text: string, width: number): string {
  const fitting = cut(text, width)
  return `${' '.repeat(Math.max(0, width - widthOf(fitting)))}${fitting}`
}

export function cutLine(line: Line, width: number): Line {
  let left = width
  const fitting: Span[] = []
  for (const { text, tone } of line) {
    const own = widthOf(text)
    fitting.push({ text: own <= left ? text : cut(text, left), tone })
    left -= own
    if (left < 0) break
  }
  return fitting
}

/** The one to the left, the other to the right; where both have no room, the left one alone. */
export function spread(left: Line, right: Line, width: number): Line {
  const gap = width - lineWidth(left) - lineWidth(right)
  return gap < 2 ? cutLine(left, width) : [...left, span(' '.repeat(gap)), ...right]
}

/** As a terminal takes it, without what is blank at its end. */
export function painted(line: Line, hasColors: boolean): string {
  const end = line.findLastIndex(({ text }) => text.trimEnd() !== '')
  return line
    .slice(0, end + 1)
    .map(({ text, tone }, i) => {
      const own = i === end ? text.trimEnd() : text
      const style = styles[tone]
      return hasColors && style !== undefined ? styleText(style, own, { validateStream: false }) : own
    })
    .join('')
}
