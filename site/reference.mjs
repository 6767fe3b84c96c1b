/** The reference of the API, made of the doc comments of what the package exports. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Writes its pages into a folder; gives its part of the sidebar. Throws for whatever typedoc warns of. */
export async function writeReference(folder) {
  const application = await Application.bootstrapWithPlugins({
    name: 'API reference',
    basePath: root,
    entryPoints: ['src/index.ts', 'src/testing/index.ts', 'src/schema-registry/index.ts'].map((path) =>
      join(root, path),
    ),
    tsconfig: join(root, 'src/tsconfig.json'),
    plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
    out: folder,
    docsRoot: join(root, 'site/dist/pages'),
    readme: 'none',
    entryFileName: 'index',
    disableSources: true,
    excludePrivate: true,
    excludeInternal: true,
    treatWarningsAsErrors: true,
    // Types that make wrong definitions not compile, and what lies behind the symbols of definitions: nobody names them.
    intentionallyNotExported: [
      'ApplicationDefinition',
      'BroadcastDefinition',
      'PipelineDefinition',
      'StateDefinition',
      'TimedDefinition',
      'TopicDefinition',
      'errorKinds',
      'AnyWindowed',
      'KeyedTopic',
      'OrNull',
      'Called',
      'Nothing',
      'Synchronous',
      'Emitted',
      'Ended',
      'NotPromised',
      'Deciding',
      'Tombstones',
      'NoKey',
      'NoPromise',
    ],
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
  })
  const project = await application.convert()
  if (project === undefined || application.logger.hasErrors()) throw new Error('typedoc can not read the sources')
  application.validate(project)
  await application.generateOutputs(project)
  if (application.logger.hasErrors() || application.logger.hasWarnings())
    throw new Error('typedoc warns of the doc comments: see above')
  const items = JSON.parse(readFileSync(join(folder, 'typedoc-sidebar.json'), 'utf8'))
  const pages = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.md')).length
  return { sidebar: { text: 'API reference', link: '/reference/', collapsed: true, items }, pages }
}
