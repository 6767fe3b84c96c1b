import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { GraphEdge, GraphNode, LaidOut, Now, UiTopic } from '../../wire.js'
import { count, rate } from '../format.js'
import { Table } from '../parts.js'
import type { ViewProps } from '../view-props.js'
import { visible } from '../visible.js'

/** About what a letter takes, in the widest node that the server makes. */
const LETTER_WIDTH = 7.6

export function TopologyView({ seen: { now }, connection }: ViewProps): JSX.Element {
  const [graph, setGraph] = useState<LaidOut>()
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    connection.get('/api/topology').then(
      (found) => {
        setGraph(found as LaidOut)
      },
      () => {
        setFailed(true)
      },
    )
  }, [connection])
  if (failed) return <p class="card error">potoroo ui did not answer: load the page again.</p>
  if (graph === undefined) return <p class="note">Drawing …</p>
  const topics = new Map((now?.topics ?? []).map((topic) => [topic.topic, topic]))
  const names = new Map(graph.nodes.map(({ id, name }) => [id, name]))
  const flows = graph.edges.filter(({ topic }) => topic !== null)
  return (
    <>
      <section class="card">
        <h2>From sources to sinks</h2>
        <p class="hint">
          Records a second and lag stand on what is read. Dashed topics are repartitions and broadcasts; a dashed line
          is looked into.
        </p>
        <div class="scroll" role="region" aria-label="The topology as a graph" tabIndex={0}>
          <Picture graph={graph} topics={topics} />
        </div>
      </section>
      <section class="card">
        <h2>What flows</h2>
        <Table
          label="What flows"
          columns={[
            { name: 'from' },
            { name: 'to' },
            { name: 'records/s', isNumber: true },
            { name: 'lag', isNumber: true },
          ]}
        >
          {flows.map(({ from, to, topic }) => (
            <tr key={`${from}\n${to}`}>
              <th scope="row">{visible(names.get(from) ?? '')}</th>
              <td>{visible(names.get(to) ?? '')}</td>
              <td class="number">{rate(topics.get(topic ?? '')?.recordsPerSecond ?? null)}</td>
              <td class="number">{count(topics.get(topic ?? '')?.lag)}</td>
            </tr>
          ))}
        </Table>
      </section>
    </>
  )
}

type Topics = ReadonlyMap<Now['topics'][number]['topic'], UiTopic>

function Picture({ graph, topics }: { readonly graph: LaidOut; readonly topics: Topics }): JSX.Element {
  const { width, height, nodes, edges } = graph
  return (
    <svg
      class="graph"
      width={width}
      height={height}
      viewBox={`0 0 ${String(width)} ${String(height)}`}
      role="img"
      aria-label={`${String(nodes.length)} topics, steps and state objects; what flows between them is in the table below`}
    >
      <defs>
        <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path class="tip" d="M0,0L8,4L0,8Z" />
        </marker>
      </defs>
      {edges.map((edge) => (
        <path
          key={`${edge.from}\n${edge.to}`}
          class={edge.isRead ? 'edge read' : 'edge'}
          d={pathOf(edge)}
          marker-end="url(#tip)"
        />
      ))}
      {nodes.map((node) => (
        <Node key={node.id} node={node} />
      ))}
      {edges.map((edge) => (
        <Flow key={`${edge.from}\n${edge.to}`} edge={edge} topic={topics.get(edge.topic ?? '')} />
      ))}
    </svg>
  )
}

function Node({ node: { kind, name, x, y, width, height } }: { readonly node: GraphNode }): JSX.Element {
  const text = visible(name)
  const fitting = Math.floor((width - 16) / LETTER_WIDTH)
  return (
    <g class={`node ${kind}`}>
      <title>{`${kind} ${text}`}</title>
      <rect x={x} y={y} width={width} height={height} rx={kind === 'state' || kind === 'table' ? 10 : 4} />
      <text x={x + width / 2} y={y + 19} text-anchor="middle">
        {text.length > fitting ? `${text.slice(0, fitting - 1)}…` : text}
      </text>
      <text class="kind" x={x + width / 2} y={y + 34} text-anchor="middle">
        {kind === 'state' ? 'state object' : kind}
      </text>
    </g>
  )
}

function Flow({ edge, topic }: { readonly edge: GraphEdge; readonly topic: UiTopic | undefined }): JSX.Element | null {
  const middle = edge.points[Math.floor(edge.points.length / 2)]
  if (topic === undefined || middle === undefined) return null
  const [x, y] = middle
  return (
    <text class={topic.lag > 0 ? 'flow behind' : 'flow'} x={x} y={y - 6} text-anchor="middle">
      {`${rate(topic.recordsPerSecond)}/s`}
      {topic.lag > 0 && (
        <tspan x={x} dy="20">
          {`lag ${count(topic.lag)}`}
        </tspan>
      )}
    </text>
  )
}

const pathOf = ({ points }: GraphEdge): string =>
  points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${String(x)},${String(y)}`).join('')
