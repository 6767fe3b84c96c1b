import ts from 'typescript'
import { errorKinds, type ErrorCode } from '../../../src/errors.js'
import { readDocument } from '../documents.js'
import { markdownTable, text } from './tables.js'

interface Group {
  readonly heading: string
  readonly codes: ErrorCode[]
}

const FILE = 'src/errors.ts'

/** Of `errorKinds`: a table for each group, whose heading is a line comment there; what a code means is its doc comment. */
export function errorTables(): string {
  const { groups, meanings } = commentsOf(readDocument(FILE))
  return groups
    .map(({ heading, codes }) => {
      const rows = codes.map((code) => {
        const { cure, exitCode, retriable } = errorKinds[code]
        return [`\`${code}\``, meanings.get(code) ?? '', String(exitCode), retriable ? 'yes' : 'no', text(asCode(cure))]
      })
      return `### ${heading}\n\n${markdownTable(['code', 'what it means', 'exit code', 'tried again', 'what to do'], rows)}`
    })
    .join('\n\n')
}

/** Commands in a text that is said in a terminal, as code. */
const asCode = (cure: string): string =>
  cure.replace(
    /npx potoroo [a-z-]+(?: <application>(?: replay)?| replay)?|kafka-(?:configs|acls)[^),]*/g,
    (command) => `\`${command}\``,
  )

function commentsOf(source: string): { groups: Group[]; meanings: Map<ErrorCode, string> } {
  const file = ts.createSourceFile(FILE, source, ts.ScriptTarget.Latest, true)
  const groups: Group[] = []
  const meanings = new Map<ErrorCode, string>()
  for (const property of kindsIn(file).properties) {
    const code = property.name?.getText() as ErrorCode
    for (const { pos, end, kind } of ts.getLeadingCommentRanges(source, property.pos) ?? []) {
      const comment = source.slice(pos, end)
      if (kind === ts.SyntaxKind.SingleLineCommentTrivia) {
        const heading = comment.replace(/^\/\/ /, '')
        groups.push({ heading: heading.charAt(0).toUpperCase() + heading.slice(1), codes: [] })
      } else meanings.set(code, comment.replace(/^\/\*\*\s*|\s*\*\/$/g, '').replace(/\s*\n\s*\* ?/g, ' '))
    }
    groups.at(-1)?.codes.push(code)
  }
  const without = Object.keys(errorKinds).filter((code) => !meanings.has(code as ErrorCode))
  if (without.length > 0) throw new Error(`${FILE}: no doc comment says what ${without.join(', ')} means`)
  return { groups, meanings }
}

function kindsIn(file: ts.SourceFile): ts.ObjectLiteralExpression {
  let found: ts.ObjectLiteralExpression | undefined
  const look = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === 'errorKinds') {
      let value = node.initializer
      while (value !== undefined && (ts.isSatisfiesExpression(value) || ts.isAsExpression(value)))
        value = value.expression
      if (value !== undefined && ts.isObjectLiteralExpression(value)) found = value
    }
    ts.forEachChild(node, look)
  }
  look(file)
  if (found === undefined) throw new Error(`${FILE} has no table errorKinds`)
  return found
}
