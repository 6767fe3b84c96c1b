/**
 * Whether a broker is ready, asked over plain TCP: one Metadata request (v1) without topics. A broker that starts lists
 * itself only when the controller has let it in, so an open port is not yet enough.
 *
 *     Request  => Size(int32) ApiKey(int16)=3 ApiVersion(int16)=1 CorrelationId(int32) ClientId(int16=-1: null) Topics(int32=0)
 *     Response => Size(int32) CorrelationId(int32) Brokers(int32 count …) …
 */
import { connect } from 'node:net'

const request = (): Buffer => {
  const bytes = Buffer.alloc(18)
  bytes.writeInt32BE(14, 0)
  bytes.writeInt16BE(3, 4)
  bytes.writeInt16BE(1, 6)
  bytes.writeInt32BE(1, 8)
  bytes.writeInt16BE(-1, 12)
  bytes.writeInt32BE(0, 14)
  return bytes
}
const RESPONSE_HEAD_BYTES = 12

/** True when a broker at host:port answers and lists at least one broker that takes requests. Never rejects. */
export const answers = (host: string, port: number, timeoutMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port })
    let head = Buffer.alloc(0)
    const end = (result: boolean): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => {
      end(false)
    })
    socket.on('error', () => {
      end(false)
    })
    socket.on('close', () => {
      resolve(false)
    })
    socket.on('connect', () => socket.write(request()))
    socket.on('data', (data: Buffer) => {
      head = Buffer.concat([head, data])
      if (head.length >= RESPONSE_HEAD_BYTES) end(head.readInt32BE(8) > 0)
    })
  })
