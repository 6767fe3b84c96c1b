/**
 * The picture in the terminal: a row for each worker with a cell for each task, what was measured over the time of the
 * demonstration, and what happened. Pure.
 *
 * Invariants
 * 1. A frame has `height` lines at most, and none is wider than `width`.
 * 2. A task has its own column in every row, so that one which moves goes up or down and nowhere else.
 */
import { printable } from '../printable.js'
import { blockRows, columnAt, columnsOf, smoothed, type Value } from './chart.js'
import { shortName, type Moment, type Point, type ShownTask, type ShownWorker, type Show } from './show.js'
import { cut, cutLine, padded, paddedLeft, span, spread, widthOf, type Line, type Span, type Tone } from './spans.js'

/** Beyond that it would not be seen at one glance. */
const MAX_WIDTH = 100
/** For how long a task is marked after it moved, and its way is drawn. */
const NEWS_MS = 2_500
const WAY_MS = 900
const LABEL_WIDTH = 11
const VALUE_WIDTH = 8
/** Fewer columns show nothing. */
const MIN_CHART_WIDTH = 12
/** Lines that moments get, where there is room for more of the rest. */
const SOME_MOMENTS = 3

export function frameOf(show: Show, nowMs: number, givenWidth: number, height: number): readonly Line[] {
  const width = Math.min(givenWidth, MAX_WIDTH)
  const head = [...headOf(show, nowMs, width), []]
  const workers = workerRows(show, nowMs, width)
  // In a low terminal the workers go before the charts, and both before what happened.
  const forWorkers = fitted(workers, Math.max(1, height - head.length))
  const left = height - head.length - forWorkers.length
  const charts = chartsOf(show, width, left - SOME_MOMENTS > 9)
  const forCharts = charts.length + 1 <= left ? [[], ...charts] : []
  const moments = momentLines(show, width, left - forCharts.length - 1)
  const forMoments = moments.length === 0 ? [] : [[], ...moments]
  return [...head, ...forWorkers, ...forCharts, ...forMoments].slice(0, height).map((line) => cutLine(line, width))
}

function headOf(show: Show, nowMs: number, width: number): Line[] {
  const { url, fed, rejections, beganAtMs, plannedMs } = show
  const time = beganAtMs === undefined ? 'starting' : `${seconds(nowMs - beganAtMs)} of ${seconds(plannedMs, 0)}`
  return [
    spread([span('Market Spread on Potoroo', 'strong')], [span(time, 'strong')], width),
    spread([span(url, 'accent')], [span(`${count(fed)} fed, ${count(rejections)} rejections`, 'dim')], width),
  ]
}

function workerRows({ workers, tasks }: Show, nowMs: number, width: number): Line[] {
  const nameWidth = Math.min(Math.max(...workers.map(({ name }) => widthOf(name)), 0) + 2, Math.floor(width / 3))
  const cellWidth = Math.max(...tasks.map(({ task }) => widthOf(shortName(task))), 1) + 2
  const room = Math.max(0, Math.floor((width - nameWidth) / cellWidth))
  const isCut = tasks.length > room
  const shown = tasks.slice(0, isCut ? Math.max(0, room - 1) : room)
  const places = new Map(workers.map(({ name }, place) => [name, place]))
  return workers.map((worker, place): Line => [
    span(padded(worker.name, nameWidth), worker.state === 'killed' ? 'bad' : 'strong'),
    ...shown.map((task) => cellOf(task, worker, { place, places, nowMs, cellWidth })),
    span(
      isCut ? paddedLeft('…', cellWidth) : `  ${statusOf(worker, tasks)}`,
      worker.state === 'killed' ? 'bad' : 'dim',
    ),
  ])
}

interface Place {
  readonly place: number
  readonly places: ReadonlyMap<string, number>
  readonly nowMs: number
  readonly cellWidth: number
}

function cellOf(task: ShownTask, worker: ShownWorker, { place, places, nowMs, cellWidth }: Place): Span {
  const { owner, state, moved } = task
  const [to, from] = [places.get(owner ?? ''), places.get(moved?.from ?? '')]
  const sinceMs = moved === undefined ? Infinity : nowMs - moved.atMs
  const arrow = to === undefined || from === undefined ? '' : to > from ? '↓' : '↑'
  const cell = (text: string, tone: Tone): Span => span(paddedLeft(text, cellWidth), tone)
  if (owner === worker.name) {
    const name = shortName(task.task)
    if (worker.state === 'killed') return cell(`✗${name}`, 'bad')
    if (sinceMs < NEWS_MS) return cell(`${arrow}${name}`, 'news')
    return cell(name, state === 'running' ? 'good' : 'dim')
  }
  const isOnWay = to !== undefined && from !== undefined && place !== to && (place - from) * (place - to) <= 0
  return isOnWay && sinceMs < WAY_MS ? cell(arrow, 'news') : cell('·', 'dim')
}

function statusOf({ name, state }: ShownWorker, tasks: readonly ShownTask[]): string {
  if (state !== 'running') return state
  const own = tasks.filter(({ owner }) => owner === name).length
  return `${count(own)} ${own === 1 ? 'task' : 'tasks'}`
}

function fitted(rows: readonly Line[], height: number): readonly Line[] {
  if (rows.length <= height) return rows
  return [...rows.slice(0, height - 1), [span(`and ${count(rows.length - height + 1)} more workers`, 'dim')]]
}

/** Throughput, latencies on one scale, and the moments below them, at their times. */
function chartsOf(show: Show, width: number, isTall: boolean): readonly Line[] {
  const chartWidth = width - LABEL_WIDTH - VALUE_WIDTH
  const { beganAtMs, points, plannedMs } = show
  if (beganAtMs === undefined || chartWidth < MIN_CHART_WIDTH) return []
  const spanMs = spanOf(show)
  const valuesOf = (of: keyof Omit<Point, 'atMs'>): Value[] =>
    points.flatMap(({ atMs, [of]: value }) => (value === null ? [] : [{ atMs, value }]))
  const highest = (values: readonly Value[]): number => Math.max(0, ...values.map(({ value }) => value))
  const [rates, p50s, p99s] = [smoothed(valuesOf('recordsPerSecond')), valuesOf('p50Ms'), valuesOf('p99Ms')]
  const chart = (label: string, values: readonly Value[], top: number, rows: number, tone: Tone): Line[] => {
    const columns = columnsOf(values, beganAtMs, spanMs, chartWidth)
    const last = values.at(-1)?.value
    return blockRows(columns, top, rows).map((blocks, row) => {
      const isLast = row === rows - 1
      const scale = row === 0 && top > 0 ? paddedLeft(count(top), LABEL_WIDTH - 1) : ''
      return [
        span(padded(isLast ? label : scale, LABEL_WIDTH), isLast ? 'plain' : 'dim'),
        span(blocks, tone),
        span(isLast && last !== undefined ? paddedLeft(count(last), VALUE_WIDTH) : '', 'strong'),
      ]
    })
  }
  const latency = highest(p99s)
  return [
    ...chart('records/s', rates, highest(rates), isTall ? 2 : 1, 'good'),
    ...chart('p99 ms', p99s, latency, isTall ? 3 : 1, 'accent'),
    ...chart('p50 ms', p50s, latency, 1, 'accent'),
    [span(' '.repeat(LABEL_WIDTH)), ...marksOf(show, beganAtMs, spanMs, chartWidth)],
    [span(padded('', LABEL_WIDTH)), span(axisOf(spanMs, chartWidth, plannedMs), 'dim')],
  ]
}

/** The planned time, or what it has taken where that is longer. */
const spanOf = ({ beganAtMs = 0, plannedMs, points }: Show): number =>
  Math.max(plannedMs, (points.at(-1)?.atMs ?? beganAtMs) + 1 - beganAtMs)

/** What happened to workers, each where its time is, with as much text as there is room up to the next. */
function marksOf({ moments }: Show, fromMs: number, spanMs: number, width: number): Line {
  const marks = moments.flatMap((moment) => {
    const column = columnAt(moment.atMs, fromMs, spanMs, width)
    const texts = marksFor(moment)
    return column === undefined || texts.length === 0 ? [] : [{ column, texts, tone: toneOf(moment) }]
  })
  const spans: Span[] = []
  let at = 0
  marks.forEach(({ column, texts, tone }, i) => {
    if (column < at) return
    const room = (marks[i + 1]?.column ?? width + 1) - column - 1
    const own = texts.find((text) => widthOf(text) <= room) ?? cut(texts.at(-1) ?? '', 1)
    spans.push(span(' '.repeat(column - at)), span(own, tone))
    at = column + widthOf(own)
  })
  return spans
}

/** The longest first. */
function marksFor(moment: Moment): readonly string[] {
  const texts = (sign: string, worker: string, what: string): string[] => [
    `${sign} ${worker} ${what}`,
    `${sign} ${what}`,
    sign,
  ]
  if (moment.kind === 'added') return texts('+', moment.worker, 'added')
  if (moment.kind === 'killed') return texts('✗', moment.worker, 'killed')
  return moment.kind === 'restarted' ? texts('+', moment.worker, 'again') : []
}

function axisOf(spanMs: number, width: number, plannedMs: number): string {
  const step = plannedMs > 60_000 ? Math.ceil(plannedMs / 6_000) * 1_000 : plannedMs > 10_000 ? 5_000 : 1_000
  let axis = ''
  for (let atMs = 0; ; atMs += step) {
    const column = columnAt(atMs, 0, spanMs, width)
    const text = `${String(atMs / 1_000)} s`
    if (column === undefined || column + text.length > width) return axis
    if (axis === '' || column > axis.length) axis = `${axis.padEnd(column)}${text}`
  }
}

function momentLines({ moments, beganAtMs }: Show, width: number, height: number): Line[] {
  if (height < 1) return []
  return moments.slice(-height).map((moment): Line => {
    const at = beganAtMs === undefined || moment.atMs < beganAtMs ? '' : seconds(moment.atMs - beganAtMs)
    return cutLine([span(`${at.padStart(7)}  `, 'dim'), span(printable(textOf(moment)), toneOf(moment))], width)
  })
}

export function textOf(moment: Moment): string {
  switch (moment.kind) {
    case 'started':
      return `+ ${moment.worker} started`
    case 'added':
      return `+ ${moment.worker} added`
    case 'restarted':
      return `+ ${moment.worker} started again`
    case 'killed':
      return `✗ ${moment.worker} killed${moment.pid === undefined ? '' : `: SIGKILL to process ${String(moment.pid)}`}`
    case 'moved': {
      const [tasks, longest] = [moment.pausesMs.length, Math.max(...moment.pausesMs)]
      const what = `${count(tasks)} ${tasks === 1 ? 'task' : 'tasks'}`
      return `→ ${what} from ${moment.from} to ${moment.to}, paused ${count(longest)} ms${tasks === 1 ? '' : ' at most'}`
    }
    case 'warned':
      return `! ${moment.text}`
  }
}

const toneOf = ({ kind }: Moment): Tone =>
  kind === 'killed' || kind === 'warned' ? 'bad' : kind === 'moved' ? 'news' : 'accent'

const count = (n: number): string => Math.round(n).toLocaleString('en')
const seconds = (ms: number, digits = 1): string => `${(Math.max(0, ms) / 1_000).toFixed(digits)} s`
