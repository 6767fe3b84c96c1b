/**
 * What a command was given that the next one needs, too: cures name commands, as `npx potoroo reset <application>` and `kafka-topics
 * --bootstrap-server <brokers>`, and what is printed is to be copied.
 */
import type { Command } from 'commander'
import type { Logger } from '../ports/logger.js'
import { bundledApplication } from './application.js'
import { DEFAULT_BROKERS } from './connection.js'
import type { Environment } from './context.js'
import { shellQuoted } from './shell-quoted.js'

export interface Invocation {
  /** The module, as it was named; undefined where the command has none. */
  readonly application: string | undefined
  readonly brokers: string | undefined
  /** Where the cluster is, whoever says so. */
  readonly bootstrapServers: string
  readonly topicPrefix: string
}

/** Of a program that has parsed its arguments, as far as it came. */
export function invocationOf(program: Command, env: Environment): Invocation {
  const command = program.commands.find((one) => one.name() === program.args[0]) ?? program
  const options = command.opts<Readonly<Record<string, unknown>>>()
  const operand = command.registeredArguments[0]?.name() === 'application' ? command.args[0] : undefined
  const brokers = textIn(options['brokers'])
  const isOptional = command.options.some((option) => option.attributeName() === 'application')
  return {
    application: operand ?? textIn(options['application']) ?? (isOptional ? bundledApplication() : undefined),
    brokers,
    bootstrapServers: bootstrapServers(env, brokers),
    topicPrefix: textIn(options['topicPrefix']) ?? '',
  }
}

/** As it was said; nothing of it is checked here. */
export function bootstrapServers(env: Environment, brokers: string | undefined): string {
  const { KAFKA_BROKERS: ofEnvironment = '' } = env
  return brokers ?? (ofEnvironment === '' ? DEFAULT_BROKERS : ofEnvironment)
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The cure with this application in its commands, and with where its cluster is. */
export function copyable(text: string, { application, brokers, bootstrapServers, topicPrefix }: Invocation): string {
  const cure = text.replaceAll('<brokers>', shellQuoted(bootstrapServers))
  if (application === undefined) return cure
  const options = [
    ...(brokers === undefined ? [] : ['--brokers', brokers]),
    ...(topicPrefix === '' ? [] : ['--topic-prefix', topicPrefix]),
  ]
  return cure.replaceAll('<application>', [application, ...options].map(shellQuoted).join(' '))
}

/** Says cures so. */
export function withCopyableCures(logger: Logger, invocation: Invocation): Logger {
  const on =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      const cure: unknown = 'cure' in fields ? fields.cure : undefined
      logger[level](typeof cure === 'string' ? { ...fields, cure: copyable(cure, invocation) } : fields, message)
    }
  return { debug: on('debug'), info: on('info'), warn: on('warn'), error: on('error') }
}
