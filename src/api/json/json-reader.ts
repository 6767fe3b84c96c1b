/** What reads a topic's messages from JSON: the fast way by shapes (json-shape.ts), and its plain twin. */

export interface JsonReader {
  /**
   * The object in bytes[start, end), or undefined where JSON.parse has to say what it is. Whatever is read is what JSON.parse
   * gives. The Buffer's bytes may not change afterwards.
   */
  read(bytes: Buffer, start: number, end: number): object | undefined
  /** JSON.parse has read this text, and made `json` of it. */
  learn(text: string, json: unknown): void
}

/** Leaves everything to JSON.parse: what any other reader has to agree with. */
export class PlainReader implements JsonReader {
  read(): undefined {
    return undefined
  }
  learn(): void {
    // There is nothing to gain.
  }
}
