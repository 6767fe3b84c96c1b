import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Refused, type Connection } from '../connection.js'
import { plural, timestamp } from '../format.js'
import { Command, Empty } from '../parts.js'
import type { ViewProps } from '../view-props.js'
import { visible } from '../visible.js'

const PAGE = 50

interface Entry {
  readonly key: string
  /** null: the key has none. */
  readonly state: unknown
  readonly asOf?: { readonly commitMs: number; readonly changelogPosition: number }
  readonly from?: string
  /** Workers of earlier versions do not say who they are. */
  readonly worker?: string
  readonly timers?: unknown
}
interface Page {
  readonly entries: readonly Entry[]
  readonly cursor?: string
}
type Outcome =
  | { readonly kind: 'one'; readonly entry: Entry }
  | { readonly kind: 'many'; readonly page: Page }
  | { readonly kind: 'failed'; readonly error: Refused | undefined }

/** Asked for by hand: a question costs a worker something. */
export function State({ seen, connection }: ViewProps): JSX.Element {
  const [states, setStates] = useState(seen.begin?.states ?? [])
  const [state, setState] = useState(states[0] ?? '')
  const [key, setKey] = useState('')
  const [isPrefix, setIsPrefix] = useState(false)
  const [consistency, setConsistency] = useState('committed')
  const [outcome, setOutcome] = useState<Outcome>()
  const [isAsking, setIsAsking] = useState(false)
  useEffect(() => {
    // A worker knows more of them than the application's topology says: windows, and joins.
    namesOf(connection).then(
      (names) => {
        setStates(names)
        setState((before) => (names.includes(before) ? before : (names[0] ?? '')))
      },
      () => undefined,
    )
  }, [connection])
  const ask = (question: () => Promise<Outcome>): void => {
    setIsAsking(true)
    void question()
      .catch((error: unknown): Outcome => ({ kind: 'failed', error: error instanceof Refused ? error : undefined }))
      .then((found) => {
        setOutcome(found)
        setIsAsking(false)
      })
  }
  const path = `/v1/${encodeURIComponent(state)}`
  const one = (of: string) => async (): Promise<Outcome> => ({
    kind: 'one',
    entry: (await connection.get(`${path}/${encodeURIComponent(of)}?consistency=${consistency}`)) as Entry,
  })
  const many = (cursor?: string) => async (): Promise<Outcome> => {
    const range = cursor === undefined ? `prefix=${encodeURIComponent(key)}` : `cursor=${encodeURIComponent(cursor)}`
    const found = await connection.get(`${path}?${range}&limit=${String(PAGE)}&consistency=${consistency}`)
    return { kind: 'many', page: found as Page }
  }
  if (states.length === 0)
    return (
      <Empty title="The application has no state objects">
        <p>What a computation keeps for each key is shown here: docs/api.md.</p>
      </Empty>
    )
  return (
    <>
      {seen.now?.state === 'no workers' && seen.begin !== undefined && (
        <Empty title="No worker is running that could be asked">
          <Command text={seen.begin.commands.run} />
        </Empty>
      )}
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault()
          ask(isPrefix || key === '' ? many() : one(key))
        }}
      >
        <div class="row">
          <label class="field">
            <span>State object or table</span>
            <select
              value={state}
              onChange={(event) => {
                setState(event.currentTarget.value)
              }}
            >
              {states.map((name) => (
                <option key={name} value={name}>
                  {visible(name)}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Key; none for all</span>
            <input
              value={key}
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => {
                setKey(event.currentTarget.value)
              }}
            />
          </label>
          <label class="field">
            <span>How fresh</span>
            <select
              value={consistency}
              onChange={(event) => {
                setConsistency(event.currentTarget.value)
              }}
            >
              <option value="committed">committed</option>
              <option value="fenced">fenced: proven to be the latest</option>
            </select>
          </label>
        </div>
        <div class="row">
          <label>
            <input
              type="checkbox"
              checked={isPrefix}
              onChange={(event) => {
                setIsPrefix(event.currentTarget.checked)
              }}
            />{' '}
            all keys that begin so
          </label>
          <button type="submit" disabled={isAsking}>
            {isAsking ? 'Asking …' : 'Ask'}
          </button>
        </div>
      </form>
      <div aria-live="polite">
        {outcome && <Shown outcome={outcome} show={(of) => ask(one(of))} more={(cursor) => ask(many(cursor))} />}
      </div>
    </>
  )
}

async function namesOf(connection: Connection): Promise<readonly string[]> {
  const { states } = (await connection.get('/v1')) as { readonly states: readonly string[] }
  return states
}

function Shown({
  outcome,
  show,
  more,
}: {
  readonly outcome: Outcome
  readonly show: (key: string) => void
  readonly more: (cursor: string) => void
}): JSX.Element {
  if (outcome.kind === 'failed') {
    const { error } = outcome
    return (
      <p class="card error">
        {error === undefined
          ? 'potoroo ui does not answer.'
          : visible(`${error.code}: ${error.message}. ${error.cure ?? ''}`)}
      </p>
    )
  }
  if (outcome.kind === 'one') return <One entry={outcome.entry} />
  const { entries, cursor } = outcome.page
  return (
    <section class="card">
      <h2>{entries.length === 0 ? 'No such key' : plural(entries.length, 'key')}</h2>
      <ul class="entries">
        {entries.map((entry) => (
          <li key={entry.key}>
            <button
              type="button"
              class="link"
              onClick={() => {
                show(entry.key)
              }}
            >
              {visible(entry.key) === '' ? '(the empty key)' : visible(entry.key)}
            </button>
            <code class="cut">{visible(JSON.stringify(entry.state))}</code>
          </li>
        ))}
      </ul>
      {cursor !== undefined && (
        <button
          type="button"
          onClick={() => {
            more(cursor)
          }}
        >
          The next
        </button>
      )}
    </section>
  )
}

function One({ entry: { key, state, asOf, from, worker, timers } }: { readonly entry: Entry }): JSX.Element {
  return (
    <section class="card">
      <h2>{state === null ? `The key ${visible(key)} has none` : visible(key)}</h2>
      <p class="hint">
        {`From its ${from ?? 'owner'}${worker === undefined ? '' : `, ${visible(worker)}`}; as of ${
          asOf === undefined || asOf.commitMs === 0
            ? 'before the first commit'
            : `the commit of ${timestamp(asOf.commitMs)}, at ${String(asOf.changelogPosition)} of the changelog`
        }`}
      </p>
      {state !== null && <pre class="value">{lines(state)}</pre>}
      {timers !== undefined && (
        <>
          <h3>Timers</h3>
          <pre class="value">{lines(timers)}</pre>
        </>
      )}
    </section>
  )
}

const lines = (value: unknown): string => JSON.stringify(value, null, 2).split('\n').map(visible).join('\n')
