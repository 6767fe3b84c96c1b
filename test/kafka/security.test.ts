/** TLS and SASL as they are configured: through the environment, against a broker that insists on them. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../src/broker/free-ports.js'
import { startBroker, type LocalBroker } from '../../src/broker/local-broker.js'
import { exitCodes } from '../../src/errors.js'
import { runCli } from '../support/cli.js'
import { APPLICATION, temporaryDirectory } from '../support/market-spread.js'
import { silentLogger } from '../support/silent-logger.js'

const PASSWORD = 'correct horse'
let broker: LocalBroker
let secured: string
let certificate: string

beforeAll(async () => {
  const directory = temporaryDirectory()
  const keystore = join(directory, 'broker.p12')
  certificate = join(directory, 'broker.pem')
  const store = ['-keystore', keystore, '-storepass', 'changeit', '-alias', 'broker']
  execFileSync('keytool', [
    ...['-genkeypair', '-keyalg', 'RSA', '-keysize', '2048', '-validity', '2', '-storetype', 'PKCS12'],
    ...['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', ...store],
  ])
  execFileSync('keytool', ['-exportcert', '-rfc', '-file', certificate, ...store])
  const [port, controller, securePort] = await freePorts(3)
  if (port === undefined || controller === undefined || securePort === undefined) throw new Error('no free ports')
  secured = `127.0.0.1:${String(securePort)}`
  const listeners = `PLAINTEXT://127.0.0.1:${String(port)},SECURE://${secured}`
  broker = await startBroker({
    port,
    logger: silentLogger,
    properties: {
      'controller.quorum.voters': `1@127.0.0.1:${String(controller)}`,
      listeners: `${listeners},CONTROLLER://127.0.0.1:${String(controller)}`,
      'advertised.listeners': listeners,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      'listener.name.secure.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="${PASSWORD}";`,
      'listener.name.secure.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': keystore,
      'ssl.keystore.password': 'changeit',
    },
  })
})
afterAll(async () => {
  await broker.stop()
})

const topics = (env: Readonly<Record<string, string>>) =>
  runCli(['topics', APPLICATION, '--topic-prefix', 'secured-'], { env: { KAFKA_BROKERS: secured, ...env } })
const tls = () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CA: certificate })
const plain = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'alice', KAFKA_SASL_PASSWORD: PASSWORD }

describe('TLS and SASL', () => {
  it('lets in who has the password, over TLS', async () => {
    const { code, stdout, stderr } = await topics({ ...tls(), ...plain })
    expect(code, stderr.join('\n')).toBe(exitCodes.ok)
    expect(stdout.join('\n')).toContain('secured-market-spread-symbol-changelog')
  })

  it.each([
    ['plain', 'a wrong password'],
    ['scram-sha-512', 'a user that SCRAM does not know'],
  ])('refuses %s: %s, in one line and without the password', async (mechanism) => {
    const wrong = { ...plain, KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_PASSWORD: 'battery staple' }
    const { code, stderr } = await topics({ ...tls(), ...wrong })
    expect(code).toBe(exitCodes.broker)
    expect(stderr).toHaveLength(1)
    expect(stderr[0]).toMatch(/^error AUTHENTICATION_FAILED: .*alice/)
    expect(stderr[0]).not.toContain('battery staple')
  })

  it('says so when the certificate is signed by nobody it trusts', async () => {
    const { code, stderr } = await topics({ KAFKA_SSL: 'true', ...plain })
    expect(code).toBe(exitCodes.broker)
    expect(stderr.at(-1)).toMatch(/^error BROKER_UNREACHABLE: .*(self-signed|certificate)/)
  })

  it.each([
    [{ KAFKA_SASL_MECHANISM: 'kerberos' }, 'KAFKA_SASL_MECHANISM'],
    [{ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'alice' }, 'KAFKA_SASL_PASSWORD'],
    [{ KAFKA_SSL: 'true', KAFKA_SSL_CA: '/no/such/file' }, 'KAFKA_SSL_CA'],
  ])('names the variable that is wrong: %j', async (env, named) => {
    const { code, stderr } = await topics(env)
    expect(code).toBe(exitCodes.usage)
    expect(stderr[0]).toContain(named)
  })
})
