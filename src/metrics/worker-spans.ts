/**
 * One worker's spans: an observer that records what has happened. This file loads OpenTelemetry's API, so it is imported only
 * where an SDK has set up traces.
 *
 * Invariants
 * 1. Nothing is done for a message: spans are made with a commit, or rarer. Of a commit, so many messages get one at most.
 * 2. A span tells of what Kafka has acknowledged: what is rolled back and done again is recorded once.
 *
 * https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api'
import type { TracedRecord } from '../core/processing/traced-records.js'
import { subTopologyInId } from '../core/plan/topology.js'
import type { Observer, RuntimeEvent } from '../ports/observer.js'
import { attributes, commonAttributes } from './instruments.js'

/** Of one commit; SDKs keep 128 links of a span. */
const MAX_TRACED = 32
/** Dead letters of one commit that are told as events of its span. */
const MAX_LETTERS = 32

export const spanAttributes = {
  task: 'potoroo.task',
  operation: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  group: 'messaging.consumer.group.name',
  count: 'messaging.batch.message_count',
  offset: 'messaging.kafka.offset',
  outputs: 'potoroo.outputs',
  bytes: 'potoroo.commit.size',
  from: 'potoroo.hand_off.from',
  replayed: 'potoroo.restore.records',
} as const

type Event<K extends RuntimeEvent['kind']> = Extract<RuntimeEvent, { readonly kind: K }>

export class WorkerSpans implements Observer {
  readonly tracedPerCommit = MAX_TRACED
  readonly #common: Attributes
  /** By task: of the commit that is told next. */
  readonly #letters = new Map<string, Event<'dead-letter'>[]>()

  constructor(
    private readonly tracer: Tracer,
    worker: { readonly application: string; readonly worker: string },
    /** By the wall clock. */
    private readonly nowMs: () => number = Date.now,
  ) {
    this.#common = {
      [commonAttributes.system]: 'kafka',
      [commonAttributes.application]: worker.application,
      [commonAttributes.worker]: worker.worker,
      // it is named so
      [spanAttributes.group]: worker.application,
    }
  }

  observe(event: RuntimeEvent): void {
    switch (event.kind) {
      case 'dead-letter': {
        const letters = this.#letters.get(event.task) ?? []
        if (letters.length < MAX_LETTERS) letters.push(event)
        this.#letters.set(event.task, letters)
        return
      }
      case 'committed':
        this.#committed(event)
        this.#letters.delete(event.task)
        return
      case 'commit-failed': {
        const endMs = this.nowMs()
        const span = this.#start(`commit ${subTopologyInId(event.task)}`, SpanKind.INTERNAL, endMs - event.tookMs, {
          [spanAttributes.task]: event.task,
          [spanAttributes.count]: event.messages,
          [attributes.error]: event.code ?? 'INTERNAL',
        })
        span.setStatus({ code: SpanStatusCode.ERROR, message: event.error })
        span.end(endMs)
        return
      }
      case 'task-active': {
        const endMs = this.nowMs()
        this.#start(`restore ${subTopologyInId(event.task)}`, SpanKind.INTERNAL, endMs - event.tookMs, {
          [spanAttributes.task]: event.task,
          [spanAttributes.replayed]: event.replayed,
        }).end(endMs)
        return
      }
      case 'handed-over':
        this.#start(`hand off ${subTopologyInId(event.task)}`, SpanKind.INTERNAL, event.atMs - event.pauseMs, {
          [spanAttributes.task]: event.task,
          [spanAttributes.from]: event.from,
          [spanAttributes.replayed]: event.replayed,
          [attributes.reason]: event.reason,
        }).end(event.atMs)
    }
  }

  /** One for the batch that was committed, with its transaction in it; and one for each traced message, in its own trace. */
  #committed(event: Event<'committed'>): void {
    const { task, messages, beganAtMs, atMs, from, traced } = event
    if (messages === 0) return
    const partition = task.slice(subTopologyInId(task).length + 1)
    const [only, another] = from
    const batch = this.#start(
      `process ${only === undefined || another !== undefined ? subTopologyInId(task) : only.topic}`,
      SpanKind.CONSUMER,
      beganAtMs,
      {
        ...processing,
        [spanAttributes.task]: task,
        [spanAttributes.count]: messages,
        [spanAttributes.outputs]: event.outputs,
        ...(only !== undefined && another === undefined && { [attributes.topic]: only.topic }),
        [attributes.partition]: partition,
      },
      { links: traced.map((record) => ({ context: contextOf(record) })) },
    )
    for (const { topic, offset, code } of this.#letters.get(task) ?? []) {
      const where = { [attributes.topic]: topic, [spanAttributes.offset]: offset }
      batch.addEvent('dead letter', { ...where, [attributes.error]: code }, atMs)
    }
    const inBatch = trace.setSpan(ROOT_CONTEXT, batch)
    this.#start(
      `commit ${subTopologyInId(task)}`,
      SpanKind.INTERNAL,
      atMs - event.tookMs,
      { [spanAttributes.task]: task, [spanAttributes.bytes]: event.bytes },
      { within: inBatch },
    ).end(atMs)
    batch.end(atMs)
    const links = [{ context: batch.spanContext() }]
    for (const record of traced) {
      const of = { [attributes.topic]: record.topic, [attributes.partition]: partition }
      this.#start(
        `process ${record.topic}`,
        SpanKind.CONSUMER,
        beganAtMs,
        { ...processing, ...of, [spanAttributes.task]: task, [spanAttributes.offset]: record.offset },
        { links, within: trace.setSpanContext(ROOT_CONTEXT, contextOf(record)) },
      ).end(atMs)
    }
  }

  #start(
    name: string,
    kind: SpanKind,
    startTime: number,
    own: Attributes,
    { links = [], within = ROOT_CONTEXT }: { readonly links?: Link[]; readonly within?: Context } = {},
  ): Span {
    return this.tracer.startSpan(name, { kind, startTime, attributes: { ...this.#common, ...own }, links }, within)
  }
}

const processing = { [spanAttributes.operation]: 'process', [spanAttributes.operationType]: 'process' }

function contextOf({ traceId, spanId, tracestate }: TracedRecord): SpanContext {
  const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
  return tracestate === undefined ? context : { ...context, traceState: createTraceState(tracestate) }
}
