import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Time, chance and the process come through ports, so that one seed reproduces a run. */
const scaleAgnosticAndRuntime = ['api', 'core', 'ports', 'runtime'].map((layer) => `src/${layer}/**/*.ts`)
const viaPorts = 'comes through a port (src/ports) in this layer'

const forbiddenGlobals = [
  'process',
  'performance',
  'console',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
].map((name) => ({ name, message: `${name} ${viaPorts}` }))

const forbiddenSyntax = [
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: `the clock ${viaPorts}` },
  { selector: "CallExpression[callee.name='Date']", message: `the clock ${viaPorts}` },
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: `the clock ${viaPorts}` },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: `chance ${viaPorts}` },
  { selector: "Identifier[name='globalThis']", message: 'the back door to globals that come through ports' },
]

const only = (folder, name) => ({ name, message: `${name} is imported only in src/${folder}` })

export default defineConfig(
  globalIgnores([
    'dist/',
    'bench/dist/',
    'create-potoroo/dist/',
    'coverage/',
    'node_modules/',
    'wasm/*.ts',
    '**/*.generated.ts',
  ]),
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', '.dependency-cruiser.cjs', 'vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Numbers print as one expects; what prints as [object Object] stays forbidden.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => call()` is how a callback without a result reads best.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // A parameter that an interface asks for and this implementation does not use starts with _.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Fallbacks for empty strings (environment variables) are meant: `||` there is no mistake.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/kafka/**', 'src/lmdb/**'],
    rules: { 'no-restricted-imports': ['error', { paths: [only('kafka', 'kafkajs'), only('lmdb', 'lmdb')] }] },
  },
  {
    files: ['src/kafka/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [only('lmdb', 'lmdb')] }] },
  },
  {
    files: ['src/lmdb/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [only('kafka', 'kafkajs')] }] },
  },
  {
    files: scaleAgnosticAndRuntime,
    rules: {
      'no-restricted-globals': ['error', ...forbiddenGlobals],
      'no-restricted-syntax': ['error', ...forbiddenSyntax],
      'no-restricted-imports': [
        'error',
        {
          paths: [only('kafka', 'kafkajs'), only('lmdb', 'lmdb')],
          patterns: [
            {
              regex: '^node:(?!buffer$)',
              message: `the world outside ${viaPorts}; of node: only buffer is for everyone`,
            },
            {
              regex: '^(fs|process|timers|crypto|perf_hooks|worker_threads|child_process)(/|$)',
              message: `it ${viaPorts}`,
            },
          ],
        },
      ],
    },
  },
  {
    // Tests print their seeds.
    files: ['src/cli/**/*.ts', 'bench/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // There, `potoroo` is this checkout.
    files: ['create-potoroo/template/**/*.ts'],
    languageOptions: { parserOptions: { projectService: false, project: ['test/tsconfig.json'] } },
    rules: {
      // node:test runs what it was given, awaited or not.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'default'] }] },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
