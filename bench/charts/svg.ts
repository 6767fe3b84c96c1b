/**
 * Pictures as text. Colours come from classes with a set for light and one for dark surroundings, and each picture has a
 * ground of its own, so that it can be read wherever it is shown. Without scripts or fonts: a picture in a README has none.
 */

export interface Series {
  readonly name: string
  readonly title: string
}

export type Attributes = Readonly<Record<string, string | number>>

export const element = (name: string, attributes: Attributes, content = ''): string => {
  const list = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escaped(typeof value === 'number' ? rounded(value) : value)}"`,
  )
  return content === '' ? `<${name}${list.join('')}/>` : `<${name}${list.join('')}>${content}</${name}>`
}

export const text = (content: string, attributes: Attributes): string =>
  element('text', { class: 'ink', ...attributes }, escaped(content))

/** The series' colours, in their order: told apart in grey and by colour-blind people, too. */
const colours = [
  { light: '#1f6feb', dark: '#6cb6ff' },
  { light: '#c2570c', dark: '#f4a261' },
] as const
export const colourClass = (index: number): string => `series-${String(index % colours.length)}`

export function document(width: number, height: number, title: string, content: readonly string[]): string {
  const rules = (mode: 'light' | 'dark', ink: string, faint: string, ground: string): string =>
    [
      `.ground{fill:${ground}}.ink{fill:${ink}}.faint{fill:${faint}}`,
      `.grid{stroke:${faint};stroke-opacity:.35}.axis{stroke:${faint}}.mark{stroke:${ink}}`,
      ...colours.map((colour, i) => `.fill.series-${i}{fill:${colour[mode]}}.line.series-${i}{stroke:${colour[mode]}}`),
    ].join('')
  const style = [
    'text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.small{font-size:11px}',
    '.line{fill:none;stroke-width:1.5;stroke-linejoin:round}.grid,.axis,.mark{stroke-width:1}.mark{stroke-dasharray:4 3}',
    rules('light', '#1f2328', '#59636e', '#ffffff'),
    `@media(prefers-color-scheme:dark){${rules('dark', '#e6edf3', '#9198a1', '#0d1117')}}`,
  ].join('')
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${String(width)} ${String(height)}`,
      width,
      height,
      role: 'img',
      'aria-label': title,
    },
    [
      `<title>${escaped(title)}</title><style>${style}</style>`,
      element('rect', { class: 'ground', width, height, rx: 6 }),
      text(title, { class: 'ink title', x: 16, y: 26 }),
      ...content,
    ].join('\n'),
  )}\n`
}

/** One entry after the other, on a line. */
export function legend(series: readonly Series[], x: number, y: number): string {
  let at = x
  return series
    .map(({ title }, i) => {
      const swatch = element('rect', {
        class: `fill ${colourClass(i)}`,
        x: at,
        y: y - 10,
        width: 12,
        height: 12,
        rx: 2,
      })
      const label = text(title, { x: at + 18, y })
      at += 18 + title.length * 7 + 22
      return swatch + label
    })
    .join('')
}

/** From 0 to at least `greatest`, in some five steps of 1, 2 or 5 times a power of ten. */
export function linearTicks(greatest: number): readonly number[] {
  const least = Math.max(greatest, Number.MIN_VALUE) / 5
  const power = 10 ** Math.floor(Math.log10(least))
  const step = power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10)
  return Array.from({ length: Math.ceil(greatest / step) + 1 }, (_, i) => i * step)
}

/** Powers of ten around both. */
export function powerTicks(least: number, greatest: number): readonly number[] {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(greatest))]
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, i) => 10 ** (from + i))
}

export const rounded = (value: number): string => String(Math.round(value * 100) / 100)

const escaped = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
