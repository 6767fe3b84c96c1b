import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { createProgram } from '../../../src/cli/program.js'
import { silentLogger } from '../silent-logger.js'
import { markdownTable, text } from './tables.js'

/** The program as the command line has it, whose commands do nothing. */
export async function programForDocuments(): Promise<Command> {
  const stream = new PassThrough()
  const program = await createProgram(
    [],
    {
      env: {},
      stdin: stream,
      stdout: stream,
      stderr: stream,
      logger: silentLogger,
      stopRequested: () => new AbortController().signal,
      exitCode: () => undefined,
    },
    '0.0.0',
  )
  for (const command of program.commands) command.action(() => undefined)
  return program
}

export async function commandParts(): Promise<Record<string, string>> {
  const program = await programForDocuments()
  return { commands: program.commands.map(section).join('\n\n') }
}

function section(command: Command): string {
  const help = command.createHelp()
  const rows = help
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')
    .map((option) => [`\`${option.flags}\``, text(help.optionDescription(option))])
  const about = text(command.description()).replaceAll('\n', ' ').replaceAll('  ', '\n\n')
  return [
    `### ${command.name()}`,
    `\`\`\`text\n${help.commandUsage(command)}\n\`\`\``,
    about,
    ...command.registeredArguments.map((argument) => `- \`${argument.name()}\`: ${text(argument.description)}`),
    markdownTable(['option', ''], rows),
  ].join('\n\n')
}
