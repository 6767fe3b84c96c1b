import type { JSX } from 'preact'
import type { ViewProps } from '../view-props.js'
import { count, duration, plural, rate } from '../format.js'
import { Command, Empty, Table } from '../parts.js'
import { Sparkline, type SparklineProps } from '../sparkline.js'

interface Tile extends Pick<SparklineProps, 'valueOf' | 'format'> {
  readonly label: string
  readonly hint: string
  /** What the line shows, where it is not the figure. */
  readonly drawn?: SparklineProps['valueOf']
}

const tiles: readonly Tile[] = [
  {
    label: 'Workers',
    hint: 'in the group',
    valueOf: ({ workers }) => workers,
    format: count,
  },
  {
    label: 'Records per second',
    hint: 'of the sources, processed and committed',
    valueOf: ({ recordsPerSecond }) => recordsPerSecond,
    format: rate,
  },
  { label: 'Lag', hint: 'records that are not processed yet', valueOf: ({ lag }) => lag, format: count },
  {
    label: 'Latency, median',
    hint: "from a message's timestamp to its commit",
    valueOf: ({ p50Ms }) => p50Ms,
    drawn: ({ newP50Ms }) => newP50Ms,
    format: duration,
  },
  {
    label: 'Latency, 99th percentile',
    hint: "from a message's timestamp to its commit",
    valueOf: ({ p99Ms }) => p99Ms,
    drawn: ({ newP99Ms }) => newP99Ms,
    format: duration,
  },
  {
    label: 'Dead letters',
    hint: 'open: neither replayed nor dropped',
    valueOf: ({ deadLetters }) => deadLetters,
    format: count,
  },
]

export function Overview({ seen }: ViewProps): JSX.Element {
  const { now, begin, history } = seen
  if (now === undefined) return <p class="note">Looking at the group …</p>
  return (
    <>
      {now.state === 'no workers' && begin !== undefined && (
        <Empty title="No worker is running">
          <p>Start one, or several in terminals of their own:</p>
          <Command text={begin.commands.run} />
        </Empty>
      )}
      <section class="tiles" aria-label="Figures of the last ten minutes">
        {tiles.map(({ label, hint, valueOf, drawn = valueOf, format }) => {
          const value = valueOf(now.sample)
          return (
            <div class="card tile" key={label}>
              <h2>{label}</h2>
              <p class="figure">{value === null ? '–' : format(value)}</p>
              <p class="hint">{hint}</p>
              <Sparkline history={history} valueOf={drawn} format={format} label={label} />
            </div>
          )
        })}
      </section>
      <div class="columns">
        {now.workers.length > 0 && (
          <section class="card">
            <h2>{plural(now.workers.length, 'worker')}</h2>
            <Table
              label="Workers"
              columns={[
                { name: 'worker' },
                { name: 'address' },
                { name: 'tasks', isNumber: true },
                { name: 'standbys', isNumber: true },
                { name: 'remarks' },
              ]}
            >
              {now.workers.map(({ worker, memberId, address, active, standby, leaving, problem }) => (
                <tr key={memberId}>
                  <th scope="row">{worker}</th>
                  <td class="mono">{address ?? '–'}</td>
                  <td class="number">{count(active)}</td>
                  <td class="number">{count(standby)}</td>
                  <td>{[leaving ? 'stops' : '', problem ?? ''].filter(Boolean).join('; ')}</td>
                </tr>
              ))}
            </Table>
          </section>
        )}
        {now.topics.length > 0 && (
          <section class="card">
            <h2>What is read</h2>
            <Table
              label="Topics that are read"
              columns={[
                { name: 'topic' },
                { name: 'kind' },
                { name: 'records/s', isNumber: true },
                { name: 'unread', isNumber: true },
                { name: 'most on one partition', isNumber: true },
              ]}
            >
              {now.topics.map(({ topic, isRepartition, recordsPerSecond, lag, mostLag }) => (
                <tr key={topic}>
                  <th scope="row">{topic}</th>
                  <td>{isRepartition ? 'repartition' : 'source'}</td>
                  <td class="number">{rate(recordsPerSecond)}</td>
                  <td class="number">{count(lag)}</td>
                  <td class="number">{count(mostLag)}</td>
                </tr>
              ))}
            </Table>
          </section>
        )}
      </div>
    </>
  )
}
