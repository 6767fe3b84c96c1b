/**
 * What it costs to send messages to the state object of another key: latency of one to three computations in a row, word
 * count from a backlog, and what a repartition topic takes on disk.
 */
import type { BenchContext } from './benchmark.js'
import { barChart } from './charts/bars.js'
import type { Contender } from './contenders.js'
import type { Findings } from './report.js'
import { routingLatency, stagedVariant, type LatencyVariant } from './routing-latency.js'
import { routingBacklog, routingDisk, wordsVariant, type WordsVariant } from './routing-words.js'
import type { Settings } from './settings.js'

/** What Potoroo commits at by default. */
const SHORT_COMMITS = 'commit.interval.ms=15'

export async function routing(context: BenchContext, settings: Settings['routing']): Promise<Findings> {
  const variants = context.contenders.flatMap(variantsOf)
  const has = (part: Settings['routing']['parts'][number]): boolean => settings.parts.includes(part)
  const latency = has('latency') ? await routingLatency(context, settings, variants.flatMap(staged)) : undefined
  const words = variants.flatMap((variant) => variant.words ?? [])
  const backlog = has('backlog') ? await routingBacklog(context, settings, words) : undefined
  const everyUpdate = words.filter((variant) => variant.everyUpdate)
  const disk = has('disk') ? await routingDisk(context, settings, everyUpdate) : undefined
  const found = [latency, backlog, disk].flatMap((part) => part ?? [])
  const panels = [...(latency === undefined ? [] : [latency.panel]), ...(backlog?.panels ?? [])]
  return {
    title: 'Routing: messages travel to the state object of another key',
    method: found.flatMap(({ method }) => method),
    tables: found.flatMap(({ tables }) => tables),
    charts:
      panels.length === 0
        ? []
        : [
            {
              file: 'routing.svg',
              alt: 'Latency of one to three stages, and word count from a backlog, beside Kafka Streams',
              svg: barChart({ title: 'Routing by another key, exactly once', series: variants, panels }),
            },
          ],
    measured: { latency: latency?.measured, backlog: backlog?.measured, disk: disk?.measured },
    checked: 'Every message had to have its output once, and every key and word its count.',
    right: found.every(({ right }) => right),
  }
}

/** For a chart, one colour each. */
interface Measured {
  readonly name: string
  readonly title: string
  readonly staged?: LatencyVariant
  readonly words?: WordsVariant
}

const staged = ({ staged: variant }: Measured): LatencyVariant[] => (variant === undefined ? [] : [variant])

function variantsOf(contender: Contender): readonly Measured[] {
  const { name, title } = contender
  const plain = {
    name,
    title,
    staged: stagedVariant(name, title, contender),
    words: wordsVariant(name, title, contender, false),
  }
  if (name === 'potoroo') return [plain]
  const quick = { name: `${name}-15-ms`, title: `${title}, commits every 15 ms` }
  const cached = { name: `${name}-cached`, title: `${title}, cached: fewer outputs` }
  return [
    plain,
    { ...quick, staged: stagedVariant(quick.name, quick.title, contender.withSettings([SHORT_COMMITS])) },
    { ...cached, words: wordsVariant(cached.name, cached.title, contender, true) },
  ]
}
