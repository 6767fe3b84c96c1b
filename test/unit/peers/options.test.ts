import { describe, expect, it } from 'vitest'
import { addressOf, parseAddress, settingsOf, type PeersOptions } from '../../../src/peers/options.js'
import { systemClock } from '../../../src/system.js'
import { silentLogger } from '../../support/silent-logger.js'

const settings = (options: Partial<PeersOptions>) =>
  settingsOf({ logger: silentLogger, clock: systemClock, ...options })

describe('settingsOf', () => {
  it.each<Partial<PeersOptions>>([
    {},
    { host: 'localhost' },
    { host: '::1' },
    { host: '127.0.0.2' },
    { host: '10.0.0.1', token: 'secret' },
    { host: '0.0.0.0', token: 'secret', advertise: 'worker-1' },
  ])('takes %j', (options) => {
    expect(settings(options)).toMatchObject({ port: 0, ...options })
  })

  it.each<[string, Partial<PeersOptions>]>([
    ['set a token', { host: '0.0.0.0', advertise: 'worker-1' }],
    ['set a token', { host: '10.0.0.1' }],
    ['set a token', { host: '127.0.0.1.example' }],
    ['set a token', { host: '::' }],
    ['set the host under which', { host: '0.0.0.0', token: 'secret' }],
    ['set the host under which', { host: '::', token: 'secret' }],
    ['visible ASCII', { token: '' }],
    ['visible ASCII', { token: 'with space' }],
    ['visible ASCII', { token: 'geheim\r\nX: ä' }],
    ['is not a port', { port: 65_536 }],
    ['is not a port', { port: 1.5 }],
    ['is empty', { host: '' }],
    ['bytes', { maxSnapshotBytesPerSecond: 0 }],
    ['timeout', { stallTimeoutMs: Number.NaN }],
  ])('says "%s" to %j', (message, options) => {
    expect(() => settings(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(message) as string }),
    )
  })

  it('never names the token', () => {
    expect(() => settings({ token: 'geheim mit Leerzeichen' })).toThrow(/^((?!geheim).)*$/)
  })
})

describe('addresses', () => {
  it.each([
    ['127.0.0.1', 1],
    ['worker-1.example', 65_535],
    ['::1', 8080],
  ])('of %s and %i', (host, port) => {
    expect(parseAddress(addressOf(host, port))).toEqual({ host, port })
  })

  it.each(['', 'host', 'host:', ':1', 'host:0', 'host:65536', '::1:80', 'host:1x'])('not %j', (address) => {
    expect(parseAddress(address)).toBeUndefined()
  })
})
