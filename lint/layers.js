/**
 * The import table of ARCHITECTURE.md as a lint rule. A file's layer is the first folder below src/;
 * boot, config and main stand above all layers.
 */
import path from 'node:path'

/** @type {Record<string, { layers: string[], packages?: RegExp }>} */
const MAY_IMPORT = {
  domain: { layers: ['domain'], packages: /^(@noble\/hashes|canonicalize|@marcbachmann\/cel-js|re2js|yaml|zod)(\/|$)/ },
  contract: { layers: ['contract', 'domain'], packages: /^zod$/ },
  wire: { layers: ['wire'], packages: /^node:(crypto|buffer)$/ },
  classify: {
    layers: ['classify', 'domain'],
    packages: /^(libpg-query(\/wasm\/libpg-query\.js)?|node:worker_threads|node:url)$/,
  },
  app: { layers: ['app', 'domain'], packages: /^(node:crypto|@node-rs\/argon2)$/ },
  store: { layers: ['store', 'app', 'domain'] },
  connector: { layers: ['connector', 'app', 'domain', 'classify'] },
  integration: { layers: ['integration', 'app', 'domain'] },
  http: { layers: ['http', 'app', 'domain', 'contract'] },
  cli: { layers: ['cli', 'app', 'domain', 'contract', 'wire', 'verify'] },
  verify: { layers: [], packages: /^node:(crypto|fs\/promises|path|url)$/ },
  gateway: { layers: ['gateway', 'app', 'domain', 'wire', 'classify'] },
}
const UNREPEATABLE = /^(Date\.now|Math\.random|performance\.now)$/

/** What auditors run stands alone: it imports nothing of the program, and the command line may call it. */
const VERIFIER = path.join('verify', 'holdpoint-verify.mjs')

/** The layer of an absolute path, or undefined for what may import everything. */
function layerOf(file) {
  if (file.endsWith(VERIFIER)) return 'verify'
  const below = file.split(`${path.sep}src${path.sep}`).at(-1)
  if (below === undefined || below === file) return undefined
  const [first, second] = below.split(path.sep)
  return second === undefined ? undefined : first
}

const imports = {
  create(context) {
    const file = context.filename
    const layer = layerOf(file)
    const rule = layer === undefined ? undefined : MAY_IMPORT[layer]
    if (rule === undefined || file.endsWith('.test.ts')) return {}
    const check = (node) => {
      const source = node.source?.value
      if (typeof source !== 'string') return
      if (!source.startsWith('.')) {
        if (rule.packages !== undefined && !rule.packages.test(source)) {
          context.report({ node, message: `${layer} may not import the package ${source}` })
        }
        return
      }
      const target = layerOf(path.resolve(path.dirname(file), source)) ?? 'the composition root'
      // The application knows the shapes that classification yields, never the classifier itself.
      if (layer === 'app' && target === 'classify' && node.importKind === 'type') return
      if (!rule.layers.includes(target)) context.report({ node, message: `${layer} may not import ${target}` })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    }
  },
}

const pure = {
  create(context) {
    const layer = layerOf(context.filename)
    if ((layer !== 'domain' && layer !== 'wire') || context.filename.endsWith('.test.ts')) return {}
    const report = (node, what) => context.report({ node, message: `${layer} is pure: no ${what}` })
    return {
      MemberExpression(node) {
        const name = `${node.object?.name}.${node.property?.name}`
        if (UNREPEATABLE.test(name)) report(node, name)
      },
      NewExpression(node) {
        if (node.callee?.name === 'Date' && node.arguments.length === 0) report(node, 'clock')
        if (node.callee?.name === 'Promise') report(node, 'promises')
      },
      AwaitExpression: (node) => report(node, 'promises'),
      Identifier(node) {
        if (node.name === 'setTimeout' || node.name === 'setInterval') report(node, 'timers')
      },
    }
  },
}

export default { meta: { name: 'layers' }, rules: { imports, pure } }
