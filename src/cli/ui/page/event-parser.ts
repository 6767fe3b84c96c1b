/** Server-sent events, out of pieces of text as they come. What EventSource does, which can't send a token. */
export interface ParsedEvent {
  readonly event: string
  readonly data: string
}

export class EventParser {
  /** Kept apart until a line ends, so that a long one is not copied again with each piece. */
  #pieces: string[] = []

  take(text: string): readonly ParsedEvent[] {
    if (!text.includes('\n')) {
      this.#pieces.push(text)
      return []
    }
    const blocks = [...this.#pieces, text].join('').split('\n\n')
    this.#pieces = [blocks.pop() ?? '']
    return blocks.flatMap((block) => {
      const event = fieldIn(block, 'event')
      const data = fieldIn(block, 'data')
      return event === undefined || data === undefined ? [] : [{ event, data }]
    })
  }
}

/** A field stands once in what this server sends. */
const fieldIn = (block: string, name: string): string | undefined =>
  block
    .split('\n')
    .find((line) => line.startsWith(`${name}: `))
    ?.slice(name.length + 2)
