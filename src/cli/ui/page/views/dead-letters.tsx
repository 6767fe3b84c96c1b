import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { LetterList } from '../../wire.js'
import { Refused, type Connection } from '../connection.js'
import { count, plural, timestamp } from '../format.js'
import { Command, Empty, Table } from '../parts.js'
import type { ViewProps } from '../view-props.js'
import { visible } from '../visible.js'

type Listed = LetterList['letters'][number]
/** What the command line's `show --json` has. */
type Letter = Listed & {
  readonly headers: readonly { readonly name: string; readonly value?: string | null; readonly valueBase64?: string }[]
  readonly value?: string | null
  readonly valueBase64?: string
  readonly stateObjects: readonly { readonly name: string; readonly text: string }[]
  readonly stacktrace: string
}

export function DeadLetters({ seen, connection }: ViewProps): JSX.Element {
  const [list, setList] = useState<LetterList>()
  const [shown, setShown] = useState<Letter>()
  const [said, setSaid] = useState('')
  const open = seen.now?.sample.deadLetters
  const load = (): void => {
    connection.get('/api/dead-letters').then(
      (found) => {
        setList(found as LetterList)
      },
      (error: unknown) => {
        setSaid(wordsOf(error))
      },
    )
  }
  // Again when there are more of them, or fewer.
  useEffect(load, [connection, open])
  const show = (letter: string): void => {
    connection.post('/api/dead-letter', { letters: [letter] }).then(
      (found) => {
        setShown(found as Letter)
        setSaid('')
      },
      (error: unknown) => {
        setSaid(wordsOf(error))
      },
    )
  }
  const finished = (words: string): void => {
    setSaid(words)
    setShown(undefined)
    load()
  }
  if (list === undefined) return <p class={said === '' ? 'note' : 'card error'}>{said === '' ? 'Reading …' : said}</p>
  return (
    <>
      <p role="status">{said}</p>
      {shown !== undefined && <One key={shown.letter} letter={shown} connection={connection} finished={finished} />}
      {list.letters.length === 0 ? (
        <Empty title="There are no dead letters">
          <p>A message whose computation fails, or that can't be read, comes here. In a terminal:</p>
          {seen.begin && <Command text={seen.begin.commands.deadLetters} />}
        </Empty>
      ) : (
        <section class="card">
          <h2>{`${list.isCut ? 'At least ' : ''}${plural(list.open, 'dead letter')} open`}</h2>
          <Table
            label="Dead letters"
            columns={[
              { name: 'letter' },
              { name: 'written' },
              { name: 'code' },
              { name: 'from' },
              { name: 'key' },
              { name: 'reason' },
              { name: 'state' },
            ]}
          >
            {list.letters.map((one) => (
              <tr key={one.letter}>
                <th scope="row">
                  <button
                    type="button"
                    class="link"
                    onClick={() => {
                      show(one.letter)
                    }}
                  >
                    {one.letter}
                  </button>
                </th>
                <td class="mono">{timestamp(one.writtenMs)}</td>
                <td>{visible(one.code)}</td>
                <td>{originOf(one)}</td>
                <td>{keyOf(one)}</td>
                <td class="prose">{visible(one.message)}</td>
                <td>{one.state}</td>
              </tr>
            ))}
          </Table>
          {list.isCut && <p class="hint">These are the last; older ones are shown in a terminal.</p>}
        </section>
      )}
    </>
  )
}

/** What can be done with one, in words. */
const ENDS = {
  replay: {
    verb: 'Replay',
    doing: 'Replaying …',
    done: 'replayed',
    what: (letter: Letter) =>
      `The message is written to ${originOf(letter)} once more, as its last record, and is marked as replayed. What made it fail will do so again, unless that was mended.`,
  },
  drop: {
    verb: 'Drop',
    doing: 'Dropping …',
    done: 'dropped',
    what: () =>
      'It is marked as done: nothing is written anywhere, what is in the topic stays, and no replay will take it any more.',
  },
} as const
type End = keyof typeof ENDS

interface Trial {
  readonly isDone: boolean
  readonly text: string
}

function One({
  letter,
  connection,
  finished,
}: {
  readonly letter: Letter
  readonly connection: Connection
  readonly finished: (words: string) => void
}): JSX.Element {
  const place = useRef<HTMLElement>(null)
  const [asked, setAsked] = useState<End>()
  const [trial, setTrial] = useState<Trial | 'under way' | { readonly failed: string }>()
  useEffect(() => {
    place.current?.focus()
  }, [])
  const tryIt = (): void => {
    setTrial('under way')
    connection.post('/api/try', { letters: [letter.letter] }).then(
      (found) => {
        setTrial(found as Trial)
      },
      (error: unknown) => {
        setTrial({ failed: wordsOf(error) })
      },
    )
  }
  const isOpen = letter.state === 'open'
  return (
    <section class="card" ref={place} tabIndex={-1} aria-label={`Dead letter ${letter.letter}`}>
      <div class="toolbar">
        <h2 class="summary">{`Dead letter ${letter.letter}`}</h2>
        {letter.source !== undefined && (
          <button type="button" disabled={trial === 'under way'} onClick={tryIt}>
            {trial === 'under way' ? 'Trying …' : 'Try'}
          </button>
        )}
        {isOpen && letter.source !== undefined && (
          <button type="button" onClick={() => setAsked('replay')}>
            Replay …
          </button>
        )}
        {isOpen && (
          <button type="button" onClick={() => setAsked('drop')}>
            Drop …
          </button>
        )}
      </div>
      <div aria-live="polite">{trial !== undefined && trial !== 'under way' && <Tried trial={trial} />}</div>
      <dl class="facts">
        <dt>Code</dt>
        <dd>{visible(letter.code)}</dd>
        <dt>Reason</dt>
        <dd>{linesOf(letter.message)}</dd>
        <dt>From</dt>
        <dd>{originOf(letter)}</dd>
        <dt>Written</dt>
        <dd class="mono">{timestamp(letter.writtenMs)}</dd>
        <dt>Key</dt>
        <dd class="mono">{keyOf(letter)}</dd>
        {letter.headers.map(({ name, value, valueBase64 }, i) => (
          <>
            <dt key={`${String(i)} name`}>{`Header ${visible(name)}`}</dt>
            <dd key={`${String(i)} value`} class="mono">
              {textOf(value, valueBase64)}
            </dd>
          </>
        ))}
        <dt>State</dt>
        <dd>{letter.state}</dd>
      </dl>
      <h3>Value</h3>
      <pre class="value">{linesOf(textOf(letter.value, letter.valueBase64))}</pre>
      {letter.stateObjects.map(({ name, text }) => (
        <>
          <h3 key={`${name} name`}>{`${visible(name)}, as it was before`}</h3>
          <pre key={`${name} text`} class="value">
            {linesOf(text)}
          </pre>
        </>
      ))}
      {letter.stacktrace !== '' && (
        <>
          <h3>Thrown</h3>
          <pre class="value">{linesOf(letter.stacktrace)}</pre>
        </>
      )}
      {asked !== undefined && (
        <Sure
          end={asked}
          letter={letter}
          connection={connection}
          finished={finished}
          left={() => {
            setAsked(undefined)
          }}
        />
      )}
    </section>
  )
}

/** What the command line's `try` has said. */
function Tried({ trial }: { readonly trial: Trial | { readonly failed: string } }): JSX.Element {
  if ('failed' in trial) return <p class="card error">{trial.failed}</p>
  return (
    <>
      <h3>{trial.isDone ? 'Tried: it went through' : 'Tried: it did not go through'}</h3>
      <p class="hint">
        With the code that potoroo ui has loaded, on the state objects that the message met. Nothing was written.
      </p>
      <pre class="value">{linesOf(trial.text)}</pre>
    </>
  )
}

/** Asks once more. */
function Sure({
  end,
  letter,
  connection,
  finished,
  left,
}: {
  readonly end: End
  readonly letter: Letter
  readonly connection: Connection
  readonly finished: (words: string) => void
  readonly left: () => void
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isUnderWay, setIsUnderWay] = useState(false)
  const { verb, doing, done, what } = ENDS[end]
  // Before anything else can be pressed.
  useLayoutEffect(() => {
    dialog.current?.showModal()
  }, [])
  const doIt = (): void => {
    setIsUnderWay(true)
    connection.post(`/api/${end}`, { letters: [letter.letter], confirmed: true }).then(
      (found) => {
        finished(outcomeOf(letter.letter, done, found as Outcome))
      },
      (error: unknown) => {
        finished(wordsOf(error))
      },
    )
  }
  return (
    <dialog ref={dialog} aria-label={verb} onClose={left}>
      <form method="dialog">
        <h2>{`${verb} ${letter.letter}?`}</h2>
        <p>{what(letter)}</p>
        <div class="row">
          <button type="button" class="danger" disabled={isUnderWay} onClick={doIt}>
            {isUnderWay ? doing : `${verb} it`}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  )
}

interface Outcome {
  readonly done: number
  readonly before: number
  readonly refusals: readonly string[]
}

const outcomeOf = (letter: string, words: string, { done, before, refusals }: Outcome): string => {
  if (done > 0) return `${letter} was ${words}.`
  if (before > 0) return `${letter} had been done before.`
  return `${letter} stays open: ${visible(refusals.join('; '))}`
}

const wordsOf = (error: unknown): string =>
  error instanceof Refused
    ? visible(`${error.code}: ${error.message}. ${error.cure ?? ''}`)
    : 'potoroo ui does not answer.'
const originOf = ({ source }: Pick<Listed, 'source'>): string =>
  source === undefined
    ? 'something that was due'
    : `${visible(source.topic)} ${String(source.partition)}:${count(source.offset).replaceAll(',', '')}`
const keyOf = ({ key, keyBase64 }: Pick<Listed, 'key' | 'keyBase64'>): string => textOf(key, keyBase64)
const textOf = (text: string | null | undefined, base64: string | undefined): string =>
  base64 !== undefined ? `base64 ${base64}` : text === null || text === undefined ? 'none' : visible(text)
const linesOf = (text: string): string => text.split('\n').map(visible).join('\n')
