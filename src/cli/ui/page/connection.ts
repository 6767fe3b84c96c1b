/** The way to the server: its stream of events, which is opened again when it ends, and single questions. */
import type { Away, Begin, Now, Sample, UiEvent } from '../wire.js'
import { EventParser } from './event-parser.js'

export interface Seen {
  /** `refused`: a token is wanted, or it is another one. */
  readonly phase: 'connecting' | 'open' | 'lost' | 'refused'
  /** Since when, by the page's clock. */
  readonly sinceMs: number
  readonly begin?: Begin
  readonly now?: Now
  readonly away?: Away | undefined
  readonly history: readonly Sample[]
}

const TOKEN = 'potoroo-token'
const AGAIN_MS = 1_000
const HISTORY_MS = 600_000
/** A stream says something every ten seconds. */
const SILENT_MS = 25_000

/** What the server refuses, in its words. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly cure: string | undefined,
  ) {
    super(message)
  }
}

export class Connection {
  #seen: Seen = { phase: 'connecting', sinceMs: Date.now(), history: [] }
  #changed: (seen: Seen) => void = () => undefined
  #wake: () => void = () => undefined

  get seen(): Seen {
    return this.#seen
  }

  onChange(changed: (seen: Seen) => void): void {
    this.#changed = changed
  }

  get hasToken(): boolean {
    return sessionStorage.getItem(TOKEN) !== null
  }

  /** Of this tab, as long as it is open. */
  useToken(token: string): void {
    sessionStorage.setItem(TOKEN, token)
    this.#become('connecting')
    this.#wake()
  }

  /** Rejects with Refused, or with what fetch rejects with. */
  async get(path: string): Promise<unknown> {
    return answerIn(await fetch(path, { headers: this.#headers() }))
  }

  async post(path: string, body: object): Promise<unknown> {
    const headers = { ...this.#headers(), 'content-type': 'application/json' }
    return answerIn(await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }))
  }

  /** Never resolves. */
  async run(): Promise<never> {
    for (;;) {
      try {
        await this.#stream()
        this.#become('lost')
      } catch {
        this.#become('lost')
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        if (this.#seen.phase !== 'refused') setTimeout(resolve, AGAIN_MS)
      })
    }
  }

  async #stream(): Promise<void> {
    const silent = new AbortController()
    let timer = setTimeout(() => {
      silent.abort()
    }, SILENT_MS)
    try {
      const response = await fetch('/api/live', { headers: this.#headers(), signal: silent.signal })
      if (response.status === 401) {
        this.#become('refused')
        return
      }
      if (!response.ok || response.body === null) return
      const parser = new EventParser()
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(timer)
        timer = setTimeout(() => {
          silent.abort()
        }, SILENT_MS)
        for (const { event, data } of parser.take(value))
          this.#hear({ event, data: JSON.parse(data) as unknown } as UiEvent)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #hear({ event, data }: UiEvent): void {
    if (event === 'begin') this.#set({ begin: data, history: data.history, away: undefined })
    else if (event === 'away') this.#set({ away: data })
    else {
      const { history } = this.#seen
      const known = history.filter(({ atMs }) => atMs > data.atMs - HISTORY_MS && atMs < data.atMs)
      this.#set({ now: data, away: undefined, history: [...known, data.sample] })
    }
  }

  #set(some: Partial<Seen>): void {
    const isOpen = this.#seen.phase === 'open'
    this.#seen = { ...this.#seen, phase: 'open', sinceMs: isOpen ? this.#seen.sinceMs : Date.now(), ...some }
    this.#changed(this.#seen)
  }

  #become(phase: Seen['phase']): void {
    // Told to give a token, it stays so until there is one.
    if (phase === 'lost' && this.#seen.phase === 'refused') return
    if (phase === this.#seen.phase) return
    this.#seen = { ...this.#seen, phase, sinceMs: Date.now() }
    this.#changed(this.#seen)
  }

  #headers(): Record<string, string> {
    const token = sessionStorage.getItem(TOKEN)
    return token === null ? {} : { authorization: `Bearer ${token}` }
  }
}

async function answerIn(response: Response): Promise<unknown> {
  const found: unknown = response.status === 401 ? {} : await response.json()
  if (response.ok) return found
  const { code, message, cure } = found as Readonly<Record<string, unknown>>
  throw new Refused(
    typeof code === 'string' ? code : String(response.status),
    typeof message === 'string' ? message : response.status === 401 ? 'the token is a different one' : 'it was refused',
    typeof cure === 'string' ? cure : undefined,
  )
}
