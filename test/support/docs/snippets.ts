/**
 * What a page shows of TypeScript, as a module that compiles only if the page is right. Each block lies within those before it, as in
 * one story: it has their names, and may give them another meaning. Lines keep their numbers, so that a complaint names the page's.
 */
import ts from 'typescript'
import { codeBlocks } from '../documents.js'

/** Languages whose blocks are compiled. */
export const COMPILED: ReadonlySet<string> = new Set(['ts', 'js'])

interface Edit {
  readonly start: number
  readonly end: number
  readonly by: string
}

/**
 * `known`: statements that import names which the page takes for granted, by name. A name that the page imports itself is not taken
 * from there. Undefined where there is nothing to compile.
 */
export function moduleOf(page: string, known: ReadonlyMap<string, string>): string | undefined {
  const blocks = codeBlocks(page).filter(({ language }) => COMPILED.has(language))
  if (blocks.length === 0) return undefined
  const lines = page.split('\n').map(() => '')
  const imports = new Map<string, string>()
  for (const { text, line } of blocks) {
    lines[line - 2] = '{'
    for (const [i, one] of withoutModule(text, imports).split('\n').entries()) lines[line - 1 + i] = one
  }
  const text = lines.join('\n')
  const taken = [...known].filter(([name]) => !imports.has(name) && text.includes(name))
  lines[0] =
    ['export {}', ...imports.values(), ...taken.map(([, statement]) => statement)].join('; ') + (lines[0] ?? '')
  return `${lines.join('\n')}${'}'.repeat(blocks.length)}\n`
}

/** The block without imports, which are put into the map by name, and without exports: as it may stand within another one. */
function withoutModule(text: string, imports: Map<string, string>): string {
  const file = ts.createSourceFile('block.ts', text, ts.ScriptTarget.Latest, true)
  const edits = file.statements.flatMap((statement): Edit[] => {
    const [start, end] = [statement.getStart(), statement.getEnd()]
    if (ts.isImportDeclaration(statement)) return [{ start, end, by: imported(statement, imports) }]
    if (ts.isExportAssignment(statement))
      return [{ start, end: statement.expression.getStart(), by: 'const theDefault = ' }]
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : []
    const exported = modifiers.find(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    return exported === undefined ? [] : [{ start: exported.getStart(), end: exported.getEnd(), by: '' }]
  })
  return edits.reduceRight((left, { start, end, by }) => {
    const newLines = left.slice(start, end).replaceAll(/[^\n]/g, '')
    return left.slice(0, start) + by + newLines + left.slice(end)
  }, text)
}

/** What takes its place. A module of the reader's own is an earlier block: its names are there, and its default export is the last one. */
function imported({ importClause, moduleSpecifier }: ts.ImportDeclaration, imports: Map<string, string>): string {
  const module = moduleSpecifier.getText()
  const [name, named] = [importClause?.name?.getText(), importClause?.namedBindings]
  if (module.slice(1).startsWith('.')) return name === undefined ? '' : `const ${name} = theDefault;`
  if (name !== undefined) imports.set(name, `import ${name} from ${module}`)
  if (named !== undefined && ts.isNamespaceImport(named))
    imports.set(named.name.getText(), `import ${named.getText()} from ${module}`)
  else if (named !== undefined)
    for (const element of named.elements)
      imports.set(element.name.getText(), `import { ${element.getText()} } from ${module}`)
  return ''
}

/** Statements that import what a module exports, by name. */
export function importsOf(source: string, module: string): Map<string, string> {
  const found = new Map<string, string>()
  const add = (name: string, isType: boolean): void => {
    found.set(name, `import { ${isType ? 'type ' : ''}${name} } from '${module}'`)
  }
  for (const statement of ts.createSourceFile('module.ts', source, ts.ScriptTarget.Latest, true).statements) {
    if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause !== undefined &&
      ts.isNamedExports(statement.exportClause)
    )
      for (const { name, isTypeOnly } of statement.exportClause.elements)
        add(name.text, isTypeOnly || statement.isTypeOnly)
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    if (isExported !== true) continue
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) add(name.getText(), false)
    else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
      add(statement.name?.text ?? '', false)
    else if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
      add(statement.name.text, true)
  }
  return found
}
