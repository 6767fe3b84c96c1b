/**
 * A client's socket in memory: a stream of node's, as `net.Socket` is one, whose bytes go to `Wire` and come from there.
 * What comes is read to where `onread` says, piece by piece, as node does it.
 */
import { Duplex } from 'node:stream'
import type { OnReadOpts } from 'node:net'

/** What lies behind a socket. */
export interface Wire {
  /** The client sends; several writes of one turn come as one. */
  sent(bytes: Buffer): void
  /** The client closes, or has given up. Nothing is read any more. */
  closed(): void
}

export class MemorySocket extends Duplex {
  wire: Wire | undefined
  #connected = false
  readonly #room: () => Uint8Array
  readonly #onread: OnReadOpts['callback']

  constructor(
    onread: OnReadOpts,
    private readonly onConnect: () => void,
  ) {
    super({ allowHalfOpen: false, emitClose: true })
    this.#room = () => (typeof onread.buffer === 'function' ? onread.buffer() : onread.buffer)
    this.#onread = (count, bytes) => onread.callback(count, bytes)
  }

  // What comes from the wire.

  connected(): void {
    if (this.destroyed) return
    this.#connected = true
    this.onConnect()
  }

  arrived(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.destroyed;) {
      const room = this.#room()
      if (room.length === 0) throw new RangeError('there is no room to read to')
      const count = bytes.copy(room, 0, at, at + room.length)
      at += count
      this.#onread(count, room)
    }
  }

  /** The other side has closed in an orderly way. */
  ended(): void {
    if (!this.destroyed) this.push(null)
  }

  broke(code: 'ECONNRESET' | 'ECONNREFUSED'): void {
    const error = new Error(code === 'ECONNRESET' ? 'read ECONNRESET' : 'connect ECONNREFUSED')
    this.destroy(Object.assign(error, { code }))
  }

  /**
   * Its process is dead: nothing of it may run any more. kafkajs has a timer of real time for a connection that is being
   * made, which the end of a connection stops, and which does nothing else then.
   */
  abandon(): void {
    this.wire = undefined
    if (!this.#connected) this.emit('end')
  }

  // As net.Socket.

  unref(): this {
    return this
  }

  override _read(): void {
    // What comes goes to `onread`.
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.wire?.sent(chunk)
    done()
  }
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.wire?.sent(Buffer.concat(chunks.map(({ chunk }) => chunk)))
    done()
  }
  override _final(done: () => void): void {
    this.#close()
    done()
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#close()
    done(error)
  }

  #close(): void {
    const { wire } = this
    this.wire = undefined
    wire?.closed()
  }
}
