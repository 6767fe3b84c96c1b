/** What the page's server is asked for, put together. */
import type { ApplicationDefinition } from '../../api/definition.js'
import type { namesOf, Topology } from '../../core/plan/topology.js'
import type { PeersSettings } from '../../peers/options.js'
import { Asker } from '../asker.js'
import { copyable, type Invocation } from '../invocation.js'
import { graphOf } from './graph.js'
import { namedLetter, type LetterBook } from './letters.js'
import type { Live } from './live.js'
import type { UiService } from './server.js'
import type { Trials } from './trial.js'
import type { Begin } from './wire.js'

export interface ServiceOptions {
  readonly definition: ApplicationDefinition
  readonly topology: Topology
  readonly names: ReturnType<typeof namesOf>
  readonly live: Live
  readonly letters: LetterBook
  readonly trials: Trials
  readonly settings: PeersSettings
  readonly invocation: Invocation
}

export function serviceOf({
  definition,
  topology,
  names,
  live,
  letters,
  trials,
  settings,
  invocation,
}: ServiceOptions): UiService {
  const graph = graphOf(topology, names)
  const begin = (): Begin => ({
    application: definition.name,
    group: names.group,
    commands: {
      run: copyable('npx potoroo run <application>', invocation),
      deadLetters: copyable('npx potoroo dead-letters <application> list', invocation),
    },
    states: topology.subTopologies.flatMap(({ states }) => states.map(({ name }) => name)),
    history: live.history.samples,
  })
  return {
    subscribe: (listener) => {
      listener({ event: 'begin', data: begin() })
      return live.subscribe(listener)
    },
    states: (url) => {
      // As of the last look: one that has gone meanwhile is passed over for the next.
      const members = live.members.map(({ memberId, address }) => ({ memberId, info: { address } }))
      return new Asker(members, settings, definition.name).askUrl(url)
    },
    answers: {
      topology: () => Promise.resolve(graph),
      'dead-letters': () => letters.list(),
    },
    actions: {
      'dead-letter': (body) => letters.show(body),
      replay: (body) => letters.finish('replay', body),
      drop: (body) => letters.finish('drop', body),
      try: async (body) => trials.try(namedLetter(body)),
    },
  }
}
