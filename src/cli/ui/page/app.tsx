import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Connection, Seen } from './connection.js'
import { duration } from './format.js'
import { DeadLetters } from './views/dead-letters.js'
import { Overview } from './views/overview.js'
import { State } from './views/state.js'
import { Tasks } from './views/tasks.js'
import { Time } from './views/time.js'
import { TopologyView } from './views/topology.js'
import { TokenForm } from './token-form.js'
import type { ViewProps } from './view-props.js'

interface View {
  readonly id: string
  readonly name: string
  readonly show: (props: ViewProps) => JSX.Element
}

const views: readonly View[] = [
  { id: 'overview', name: 'Overview', show: Overview },
  { id: 'tasks', name: 'Tasks', show: Tasks },
  { id: 'topology', name: 'Topology', show: TopologyView },
  { id: 'state', name: 'State', show: State },
  { id: 'dead-letters', name: 'Dead letters', show: DeadLetters },
  { id: 'time', name: 'Time', show: Time },
]

const viewInUrl = (): View | undefined => views.find(({ id }) => `#${id}` === location.hash) ?? views[0]

export function App({ connection }: { readonly connection: Connection }): JSX.Element {
  const [seen, setSeen] = useState(connection.seen)
  const [view, setView] = useState(viewInUrl)
  useEffect(() => {
    connection.onChange(setSeen)
    const follow = (): void => {
      setView(viewInUrl())
    }
    addEventListener('hashchange', follow)
    return () => {
      removeEventListener('hashchange', follow)
    }
  }, [connection])
  const application = seen.begin?.application
  useEffect(() => {
    document.title = [view?.name, application, 'Potoroo'].filter(Boolean).join(' · ')
  }, [view, application])
  const Shown = view?.show
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        To the content
      </a>
      <header class="top">
        <div class="brand">
          <span class="mark" aria-hidden="true" />
          <span class="name">{application ?? 'Potoroo'}</span>
          <Status seen={seen} />
        </div>
        <nav aria-label="Views">
          {views.map(({ id, name }) => (
            <a key={id} href={`#${id}`} aria-current={id === view?.id ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <Banner seen={seen} />
      <main id="main" tabIndex={-1}>
        <h1 class="quiet">{view?.name}</h1>
        {seen.phase === 'refused' ? (
          <TokenForm connection={connection} />
        ) : seen.begin === undefined ? (
          <p class="note">Connecting to potoroo ui …</p>
        ) : (
          Shown && <Shown seen={seen} connection={connection} />
        )}
      </main>
    </>
  )
}

/** The fragment of the address says which view is shown, so the link moves the focus by itself. */
const skip = (event: Event): void => {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function Status({ seen }: { readonly seen: Seen }): JSX.Element {
  const [kind, text] = statusOf(seen)
  return (
    <span class={`pill ${kind}`} role="status">
      {text}
    </span>
  )
}

function statusOf({ phase, now, away }: Seen): readonly [string, string] {
  if (phase === 'refused') return ['warn', 'token wanted']
  if (phase === 'lost') return ['bad', 'potoroo ui is away']
  if (away !== undefined) return ['bad', 'Kafka is away']
  if (now === undefined) return ['calm', 'connecting']
  if (now.state === 'rebalancing') return ['warn', 'rebalancing']
  return now.state === 'stable' ? ['good', 'stable'] : ['warn', 'no workers']
}

/** What keeps the page from showing what is. */
function Banner({ seen }: { readonly seen: Seen }): JSX.Element | null {
  const { phase, away, now, sinceMs } = seen
  useTick(phase === 'lost')
  if (phase === 'lost')
    return (
      <Notice>
        <strong>potoroo ui does not answer</strong>
        {` since ${duration(Date.now() - sinceMs)}. It is asked again every second`}
        {now === undefined ? '.' : '; below is the last that it told.'}
      </Notice>
    )
  if (phase !== 'open' || away === undefined) return null
  return (
    <Notice>
      <strong>Kafka does not answer</strong>
      {` since ${duration(away.forMs)}`}
      {now === undefined ? '. ' : '; below is the last that was seen. '}
      <span class="mono">{`${away.code}: ${away.message}`}</span>
    </Notice>
  )
}

const Notice = ({ children }: { readonly children: ComponentChildren }): JSX.Element => (
  <div class="notice">
    <p>{children}</p>
  </div>
)

/** Shows how time goes by. */
function useTick(isOn: boolean): void {
  const [, setTick] = useState(0)
  useEffect(() => {
    if (!isOn) return
    const timer = setInterval(() => {
      setTick((tick) => tick + 1)
    }, 1_000)
    return () => {
      clearInterval(timer)
    }
  }, [isOn])
}
