/**
 * Imports point one way: errors <- api <- core <- ports <- runtime; kafka, lmdb, memory, peers and broker stand beside
 * it and know nothing of each other; few files put it all together.
 */
const only = (name, path, allowed, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path },
  to: { path: '^(src|topics)/', pathNot: allowed },
})
const layer = (folder, ...below) =>
  only(
    `layer-${folder}`,
    `^src/${folder}/`,
    [`^src/${folder}/`, '^src/errors\\.ts$', ...below.map((other) => `^src/${other}/`)],
    `src/${folder} may import errors and ${below.join(', ') || 'nothing else'}`,
  )

/** A room of src/core: of core it may import itself, those below, and what stands in no room. */
const room = (name, ...below) => ({
  name: `core-${name}`,
  severity: 'error',
  comment: `src/core/${name} may import of core: ${below.join(', ') || 'nothing else'}`,
  from: { path: `^src/core/${name}/` },
  to: { path: '^src/core/[^/]+/', pathNot: [name, ...below].map((other) => `^src/core/${other}/`) },
})

/** What puts parts together, and so imports what nobody else may. */
const compositionRoots = '^src/(cli|testing)/|^src/(index|start-worker|watchdog-thread)\\.ts$'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      comment: 'a file that nobody imports and that starts nothing is dead',
      from: {
        orphan: true,
        pathNot: ['^src/index\\.ts$', '^src/cli/main\\.ts$', '^src/schema-registry/index\\.ts$', '\\.d\\.ts$'],
      },
      to: {},
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    only('errors-imports-nothing', '^src/errors\\.ts$', ['^$'], 'errors is the lowest layer'),
    layer('api'),
    layer('core', 'api'),
    room('records'),
    room('state', 'records'),
    room('plan', 'records', 'state'),
    room('commit', 'records'),
    room('processing', 'records', 'state', 'plan', 'commit'),
    room('group', 'records', 'commit'),
    room('query', 'records', 'state', 'plan'),
    layer('ports', 'api', 'core'),
    layer('runtime', 'api', 'core', 'ports'),
    {
      name: 'parts-of-a-task',
      severity: 'error',
      comment: 'task.ts and call-task.ts put the parts of a task together; nobody else knows them',
      from: { path: '^src/', pathNot: '^src/runtime/((task|calls)/|(task|call-task)\\.ts$)' },
      to: { path: '^src/runtime/task/' },
    },
    {
      name: 'parts-know-no-task',
      severity: 'error',
      comment: 'the parts of a task know neither it nor what runs tasks',
      from: { path: '^src/runtime/(task|calls)/' },
      to: { path: '^src/runtime/(task|call-task|worker|membership|standby)\\.ts$' },
    },
    layer('kafka', 'api', 'core', 'ports'),
    layer('lmdb', 'api', 'core', 'ports'),
    layer('memory', 'api', 'core', 'ports'),
    layer('peers', 'api', 'core', 'ports'),
    layer('metrics', 'core', 'ports'),
    layer('broker', 'ports'),
    layer('schema-registry', 'api', 'core'),
    only(
      'market-spread-is-an-application',
      '^src/market-spread/',
      ['^src/market-spread/', '^src/index\\.ts$', '^topics/'],
      'the bundled application uses what every user has: the public API and its topics',
    ),
    only('topics-stand-alone', '^topics/', ['^topics/', '^src/index\\.ts$'], 'a topic imports the package by its name'),
    {
      name: 'only-roots-put-together',
      severity: 'error',
      comment: 'who needs an adapter gets it through a port',
      from: {
        path: '^(src|topics)/',
        pathNot: [compositionRoots, '^src/(kafka|lmdb|memory|metrics|peers|broker|schema-registry)/'],
      },
      to: {
        path: '^src/(kafka|lmdb|memory|metrics|peers|broker|cli|testing|schema-registry)/|^src/start-worker\\.ts$',
      },
    },
    {
      name: 'kafkajs-in-kafka-only',
      severity: 'error',
      from: { path: '^(src|topics)/', pathNot: '^src/kafka/' },
      to: { path: 'node_modules/kafkajs/' },
    },
    {
      name: 'lmdb-in-lmdb-only',
      severity: 'error',
      from: { path: '^(src|topics)/', pathNot: '^src/lmdb/' },
      to: { path: 'node_modules/lmdb/' },
    },
    {
      name: 'opentelemetry-sdk-in-cli-only',
      severity: 'error',
      comment: 'in the library it is the user who chooses an SDK; the API costs nothing without one',
      from: { path: '^(src|topics)/', pathNot: '^src/cli/http/' },
      to: { path: 'node_modules/@opentelemetry/', pathNot: 'node_modules/@opentelemetry/api/' },
    },
    {
      name: 'zod-in-topics-only',
      severity: 'error',
      comment: 'who validates messages with something else must not wait until it is loaded',
      from: { path: '^src/' },
      to: { path: 'node_modules/zod/' },
    },
    {
      name: 'optional-packages-in-schema-registry-only',
      severity: 'error',
      comment: 'users who need them install them',
      from: { path: '^(src|topics)/', pathNot: '^src/schema-registry/' },
      to: { path: 'node_modules/(avsc|protobufjs)/' },
    },
    {
      name: 'bars-in-one-place-only',
      severity: 'error',
      comment: 'users who want progress bars install what draws them',
      from: { path: '^(src|topics)/', pathNot: '^src/cli/progress\\.ts$' },
      to: { path: 'node_modules/cli-progress/' },
    },
    {
      name: 'nothing-of-development',
      severity: 'error',
      comment: 'what runs at users must be a dependency of the package',
      from: { path: '^(src|topics)/' },
      to: {
        // Optional peers: each may be imported in one place, as said above.
        pathNot: 'node_modules/(avsc|cli-progress|protobufjs|zod)/',
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: require('node:path').join(__dirname, 'test', 'tsconfig.json') },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
}
