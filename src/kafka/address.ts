/** Addresses of brokers, as people write them. */
import net from 'node:net'
import { PotorooError } from '../errors.js'

export interface Address {
  readonly host: string
  readonly port: number
}

/** An IPv6 address is in brackets, so that `parseAddress` takes it. */
export const textOf = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${String(port)}`

/** Throws INVALID_CONFIGURATION, which says how to write it. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+(?:%\w+)?)\]|(?<name>[^:/@\s\0]+)):(?<port>\d{1,5})$/.exec(text.trim())
  const host = match?.groups?.['v6'] ?? match?.groups?.['name']
  const port = Number(match?.groups?.['port'])
  if (host === undefined || !(port > 0 && port < 65_536)) {
    throw new PotorooError('INVALID_CONFIGURATION', `'${text}' is not a broker address: write host:port${advice(text)}`)
  }
  return { host, port }
}

/** What those mean who write an address another way. */
function advice(text: string): string {
  const scheme = /^[\w+.-]+:\/\//.exec(text)?.[0]
  if (scheme !== undefined) {
    const secure = /ssl|tls/i.test(scheme) ? ', and set KAFKA_SSL=true' : ''
    return `, without ${scheme}${secure}`
  }
  if (net.isIPv6(text) || /:.*:/.test(text)) return ', and an IPv6 address in brackets, as in [::1]:9092'
  return /^[^:/@]+$/.test(text) ? `, as in ${text}:9092` : ''
}
