// Reads simulations as JSON from stdin, one array, and writes an array of their results in the same order.
// Argument: the folder whose node_modules has @cloud-copilot/iam-simulate.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(pathToFileURL(join(process.argv[2], 'package.json')))
const { runSimulation } = require('@cloud-copilot/iam-simulate')

const results = []
for (const simulation of JSON.parse(readFileSync(0, 'utf8'))) {
  const done = await runSimulation(simulation, {})
  if (done.resultType !== 'single') throw new Error(JSON.stringify(done))
  // A key that the action does not know would be left out, and a policy that tests it would pass unnoticed.
  if (done.result.ignoredContextKeys?.length) throw new Error(`ignored: ${done.result.ignoredContextKeys}`)
  results.push(done.overallResult)
}
process.stdout.write(JSON.stringify(results))
