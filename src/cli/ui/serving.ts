/** The page with all that it stands on, for as long as somebody wants it. */
import type { ApplicationDefinition } from '../../api/definition.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import type { KafkaOptions } from '../../kafka/options.js'
import { viewGroup } from '../../kafka/group-view.js'
import { settingsOf } from '../../peers/options.js'
import { createPeers } from '../../peers/peers.js'
import type { Logger } from '../../ports/logger.js'
import type { Log } from '../../ports/log.js'
import { systemClock } from '../../system.js'
import type { Invocation } from '../invocation.js'
import { Looker } from '../status/looker.js'
import { readAssets } from './assets.js'
import { LetterBook } from './letters.js'
import { Live } from './live.js'
import { UiServer } from './server.js'
import { serviceOf } from './service.js'
import { Trials } from './trial.js'
import type { UiEvent } from './wire.js'

export interface Serving {
  /** The page's address. */
  readonly url: string
  /** What the page is told, for whoever else wants to hear it; returns what ends that. */
  subscribe(listener: (event: UiEvent) => void): () => void
  close(): Promise<void>
}

export interface ServingOptions {
  readonly definition: ApplicationDefinition
  readonly log: Log
  readonly kafka: KafkaOptions
  readonly logger: Logger
  readonly token: string | undefined
  readonly host: string
  readonly port: number
  /** For the commands that the page shows. */
  readonly invocation: Invocation
  /** While somebody watches; default 1,000. */
  readonly lookEveryMs?: number
}

/** Rejects with INVALID_CONFIGURATION where it can't listen, and with what Kafka refuses. */
export async function serveUi(options: ServingOptions): Promise<Serving> {
  const { definition, log, kafka, logger, token, host, port, invocation, lookEveryMs } = options
  const { topicPrefix } = invocation
  const names = namesOf(topicPrefix, definition.name)
  const settings = settingsOf({ token, logger, clock: systemClock })
  const closing: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one()
  }
  try {
    const peers = createPeers({ token, logger, clock: systemClock })
    closing.push(() => peers.close())
    const view = await viewGroup(kafka, names.group)
    closing.push(() => view.close())
    const looker = new Looker(definition, topicPrefix, { log, view, peers, clock: systemClock })
    const letters = new LetterBook(log, names, systemClock)
    closing.push(() => letters.close())
    const trials = new Trials(invocation)
    closing.push(() => trials.close())
    const live = new Live(
      { look: (signal) => looker.look(0, signal), deadLetters: () => letters.open },
      systemClock,
      lookEveryMs,
    )
    const service = serviceOf({
      definition,
      topology: topologyOf(definition),
      names,
      live,
      letters,
      trials,
      settings,
      invocation,
    })
    const server = new UiServer({ host, port, token }, readAssets(), service)
    const url = await server.listen()
    const running = live.run()
    closing.push(async () => {
      live.stop()
      await server.close()
      await running
    })
    return { url, subscribe: (listener) => live.subscribe(listener), close }
  } catch (error) {
    await close()
    throw error
  }
}
