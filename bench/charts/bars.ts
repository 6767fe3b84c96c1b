/** Bars in groups, a panel for each unit; a thin line shows the range of what was measured. */
import { colourClass, document, element, legend, linearTicks, type Series, text } from './svg.js'

export interface BarChart {
  readonly title: string
  readonly series: readonly Series[]
  readonly panels: readonly Panel[]
}
export interface Panel {
  readonly title: string
  readonly unit: string
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[]
}
export interface Bar {
  /** The name of one. */
  readonly series: string
  readonly value: number
  readonly low: number
  readonly high: number
}

const PANEL = { leastWidth: 300, groupWidth: 150, height: 230, left: 52, right: 12, top: 112, gap: 8 } as const
const BAR = { width: 34, gap: 6 } as const

export function barChart({ title, series, panels }: BarChart): string {
  let x = 8
  const drawn = panels.map((panel) => {
    const width = Math.max(PANEL.leastWidth, PANEL.left + panel.groups.length * PANEL.groupWidth)
    const left = x
    x += width + PANEL.gap
    return drawPanel(panel, series, left, width)
  })
  return document(Math.max(480, x), PANEL.top + PANEL.height + 40, title, [legend(series, 16, 52), ...drawn])
}

function drawPanel({ title, unit, groups }: Panel, series: readonly Series[], x: number, width: number): string {
  const [left, right] = [x + PANEL.left, x + width - PANEL.right]
  const bottom = PANEL.top + PANEL.height
  const ticks = linearTicks(Math.max(...groups.flatMap(({ bars }) => bars.map(({ high }) => high))))
  const greatest = ticks.at(-1) ?? 1
  const height = (value: number): number => (value / greatest) * PANEL.height
  const parts = [
    text(title, { x: left, y: PANEL.top - 26 }),
    text(unit, { class: 'faint small', x: left, y: PANEL.top - 11 }),
    ...ticks.flatMap((tick) => {
      const y = bottom - height(tick)
      return [
        element('line', { class: 'grid', x1: left, y1: y, x2: right, y2: y }),
        text(short(tick), { class: 'faint small', x: left - 6, y: y + 4, 'text-anchor': 'end' }),
      ]
    }),
  ]
  const groupWidth = (right - left) / groups.length
  for (const [g, { label, bars }] of groups.entries()) {
    const middle = left + (g + 0.5) * groupWidth
    const barWidth = Math.min(BAR.width, (groupWidth - 8) / bars.length - BAR.gap)
    const first = middle - (bars.length * (barWidth + BAR.gap) - BAR.gap) / 2
    parts.push(text(label, { x: middle, y: bottom + 18, 'text-anchor': 'middle', class: 'ink small' }))
    for (const [b, bar] of bars.entries()) {
      const barX = first + b * (barWidth + BAR.gap)
      const colour = colourClass(series.findIndex(({ name }) => name === bar.series))
      const centre = barX + barWidth / 2
      parts.push(
        element('rect', {
          class: `fill ${colour}`,
          x: barX,
          y: bottom - height(bar.value),
          width: barWidth,
          height: height(bar.value),
        }),
        element('line', {
          class: 'axis',
          x1: centre,
          x2: centre,
          y1: bottom - height(bar.low),
          y2: bottom - height(bar.high),
        }),
        text(short(bar.value), {
          class: 'ink small',
          x: centre,
          y: bottom - height(bar.high) - 5,
          'text-anchor': 'middle',
        }),
      )
    }
  }
  parts.push(element('line', { class: 'axis', x1: left, y1: bottom, x2: right, y2: bottom }))
  return parts.join('\n')
}

/** Three digits are all that a bar can show. */
const short = (value: number): string => Number(value.toPrecision(3)).toLocaleString('en')
